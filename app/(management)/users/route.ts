import { mount } from "@/app/mount";

/** People, for the operator (product decision D30). */
export const { DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT } = mount();
