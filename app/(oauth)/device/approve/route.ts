import { mount } from "@/app/mount";

/** A person's yes to a device, as JSON. */
export const { DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT } = mount();
