import { mount } from "@/app/mount";

/** Rotates a client's secret. */
export const { DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT } = mount();
