import { mount } from "@/app/mount";

/** Device authorization (RFC 8628 §3.1). */
export const { DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT } = mount();
