import { mount } from "@/app/mount";

/** What a passkey is to sign. */
export const { DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT } = mount();
