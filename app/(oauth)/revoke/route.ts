import { mount } from "@/app/mount";

/** Revocation endpoint (RFC 7009 §2). */
export const { DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT } = mount();
