import { mount } from "@/app/mount";

/** What a passkey is to be made with. */
export const { DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT } = mount();
