import { mount } from "@/app/mount";

/** Rotates an agent's secret. */
export const { DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT } = mount();
