import { mount } from "@/app/mount";

/** Server metadata (RFC 8414 §3). */
export const { DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT } = mount();
