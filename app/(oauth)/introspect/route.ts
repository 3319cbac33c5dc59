import { mount } from "@/app/mount";

/** Introspection endpoint (RFC 7662 §2). */
export const { DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT } = mount();
