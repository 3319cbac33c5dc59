import { mount } from "@/app/mount";

/** An agent answers who decides. */
export const { DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT } = mount();
