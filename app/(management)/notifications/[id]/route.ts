import { mount } from "@/app/mount";

/** How a notification stands, for the operator. */
export const { DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT } = mount();
