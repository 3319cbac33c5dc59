import { mount } from "@/app/mount";

/** Either of the two, as clients of an earlier system send it. */
export const { DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT } = mount();
