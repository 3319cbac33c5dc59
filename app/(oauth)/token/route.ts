import { mount } from "@/app/mount";

/** Token endpoint (RFC 6749 §3.2). */
export const { DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT } = mount();
