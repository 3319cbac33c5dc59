import { mount } from "@/app/mount";

/** A person's no. */
export const { DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT } = mount();
