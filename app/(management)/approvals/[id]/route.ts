import { mount } from "@/app/mount";

/** One question to a person. */
export const { DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT } = mount();
