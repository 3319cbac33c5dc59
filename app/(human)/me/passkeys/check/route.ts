import { mount } from "@/app/mount";

/** Verifies that a passkey signs. */
export const { DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT } = mount();
