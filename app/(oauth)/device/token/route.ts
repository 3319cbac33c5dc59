import { mount } from "@/app/mount";

/** Polls of clients of an earlier system. */
export const { DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT } = mount();
