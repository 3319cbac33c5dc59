import { mount } from "@/app/mount";

/** The code that a person typed (RFC 8628 §3.3). */
export const { DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT } = mount();
