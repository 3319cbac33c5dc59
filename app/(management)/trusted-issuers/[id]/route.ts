import { mount } from "@/app/mount";

/** One trusted issuer, by its id: its identifier is a URL. */
export const { DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT } = mount();
