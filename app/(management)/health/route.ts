import { mount } from "@/app/mount";

/** The process lives. */
export const { DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT } = mount();
