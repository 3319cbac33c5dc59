import { mount } from "@/app/mount";

/** A person's answer, from the page. */
export const { DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT } = mount();
