import { mount } from "@/app/mount";

/** Confirms by passkey that it is the person. */
export const { DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT } = mount();
