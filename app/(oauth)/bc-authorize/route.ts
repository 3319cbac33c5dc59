import { mount } from "@/app/mount";

/** Backchannel authentication requests (OpenID Connect CIBA Core §7). */
export const { DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT } = mount();
