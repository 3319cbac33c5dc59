import { mount } from "@/app/mount";

/** Protected resources (product decision D17). */
export const { DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT } = mount();
