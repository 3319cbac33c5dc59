import { mount } from "@/app/mount";

/** Leaves an app less. */
export const { DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT } = mount();
