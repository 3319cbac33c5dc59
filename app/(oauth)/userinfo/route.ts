import { mount } from "@/app/mount";

/** UserInfo endpoint (OIDC Core §5.3). */
export const { DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT } = mount();
