import { mount } from "@/app/mount";

/** Server metadata, where OpenID clients look (OIDC Discovery §4). */
export const { DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT } = mount();
