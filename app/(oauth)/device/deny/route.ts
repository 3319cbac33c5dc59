import { mount } from "@/app/mount";

/** A person's no to a device, as JSON. */
export const { DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT } = mount();
