import { mount } from "@/app/mount";

/** Signs this browser out. */
export const { DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT } = mount();
