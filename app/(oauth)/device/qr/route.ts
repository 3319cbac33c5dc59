import { mount } from "@/app/mount";

/** The address of a user code to scan. */
export const { DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT } = mount();
