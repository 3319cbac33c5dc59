import { mount } from "@/app/mount";

/** Who decides asks the agent first. */
export const { DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT } = mount();
