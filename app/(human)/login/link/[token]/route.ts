import { mount } from "@/app/mount";

/** Signs in by a one-time link (product decision D16). */
export const { DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT } = mount();
