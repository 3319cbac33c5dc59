import { mount } from "@/app/mount";

/** Clients, for the operator. */
export const { DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT } = mount();
