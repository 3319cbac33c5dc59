import { mount } from "@/app/mount";

/** A person's yes. */
export const { DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT } = mount();
