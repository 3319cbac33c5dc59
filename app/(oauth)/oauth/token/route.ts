import { mount } from "@/app/mount";

/** Token endpoint, by its other path (product decision D4). */
export const { DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT } = mount();
