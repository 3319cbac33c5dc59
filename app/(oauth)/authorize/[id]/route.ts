import { mount } from "@/app/mount";

/** Takes an authorization request up again after sign-in (RFC 6749 §3.1). */
export const { DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT } = mount();
