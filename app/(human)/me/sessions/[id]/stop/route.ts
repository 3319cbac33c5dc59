import { mount } from "@/app/mount";

/** Signs another browser out. */
export const { DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT } = mount();
