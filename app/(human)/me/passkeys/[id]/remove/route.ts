import { mount } from "@/app/mount";

/** Removes a passkey. */
export const { DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT } = mount();
