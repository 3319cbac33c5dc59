import { mount } from "@/app/mount";

/** Authorization endpoint (RFC 6749 §3.1). */
export const { DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT } = mount();
