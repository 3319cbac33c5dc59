import { mount } from "@/app/mount";

/** The public keys that tokens are verified with (RFC 7517 §5). */
export const { DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT } = mount();
