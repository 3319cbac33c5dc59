import { mount } from "@/app/mount";

/** Stops an app. */
export const { DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT } = mount();
