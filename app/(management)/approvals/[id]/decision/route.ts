import { mount } from "@/app/mount";

/** A person's answer as JSON (product decision D2). */
export const { DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT } = mount();
