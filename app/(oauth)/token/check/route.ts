import { mount } from "@/app/mount";

/** Whether an exchange would be granted, without making it. */
export const { DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT } = mount();
