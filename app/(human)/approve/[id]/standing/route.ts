import { mount } from "@/app/mount";

/** A person allows the same from now on. */
export const { DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT } = mount();
