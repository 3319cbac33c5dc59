import { mount } from "@/app/mount";

/** Requests can be answered now. */
export const { DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT } = mount();
