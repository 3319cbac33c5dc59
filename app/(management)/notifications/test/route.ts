import { mount } from "@/app/mount";

/** A test message by every channel, for the operator. */
export const { DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT } = mount();
