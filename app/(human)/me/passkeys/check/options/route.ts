import { mount } from "@/app/mount";

/** What a passkey is to sign to try it. */
export const { DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT } = mount();
