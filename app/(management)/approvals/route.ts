import { mount } from "@/app/mount";

/** What waits for a person. */
export const { DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT } = mount();
