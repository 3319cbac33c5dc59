import { mount } from "@/app/mount";

/** Client configuration endpoint (RFC 7592 §2). */
export const { DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT } = mount();
