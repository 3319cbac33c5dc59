import { mount } from "@/app/mount";

/** The browsers that a person is told in. */
export const { DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT } = mount();
