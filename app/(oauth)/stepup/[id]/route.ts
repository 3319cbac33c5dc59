import { mount } from "@/app/mount";

/** How that stands. */
export const { DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT } = mount();
