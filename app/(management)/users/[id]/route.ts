import { mount } from "@/app/mount";

/** Role and groups of a person. */
export const { DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT } = mount();
