import { mount } from "@/app/mount";

/** The agent registry. */
export const { DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT } = mount();
