import { mount } from "@/app/mount";

/** An agent asks a person to allow something. */
export const { DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT } = mount();
