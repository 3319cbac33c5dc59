import { mount } from "@/app/mount";

/** A person is asked each time again. */
export const { DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT } = mount();
