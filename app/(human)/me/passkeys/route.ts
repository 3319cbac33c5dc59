import { mount } from "@/app/mount";

/** Adds a passkey. */
export const { DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT } = mount();
