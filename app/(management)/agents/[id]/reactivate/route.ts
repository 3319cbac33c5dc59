import { mount } from "@/app/mount";

/** Starts a deactivated agent again. */
export const { DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT } = mount();
