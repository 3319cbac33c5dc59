import { mount } from "@/app/mount";

/** Client registration endpoint (RFC 7591 §3). */
export const { DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT } = mount();
