import { mount } from "@/app/mount";

/** Stops one that acts for the person for a short while. */
export const { DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT } = mount();
