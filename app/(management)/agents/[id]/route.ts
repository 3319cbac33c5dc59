import { mount } from "@/app/mount";

/** One agent. */
export const { DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT } = mount();
