import { mount } from "@/app/mount";

/** What a token says, and whether it counts here. */
export const { DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT } = mount();
