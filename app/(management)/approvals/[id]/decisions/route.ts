import { mount } from "@/app/mount";

/** Who answered a question, and what they signed. */
export const { DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT } = mount();
