import { mount } from "@/app/mount";

/** One protected resource, by its id: its identifier is a URL. */
export const { DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT } = mount();
