import { mount } from "@/app/mount";

/** Issuers whose assertions are accepted. */
export const { DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT } = mount();
