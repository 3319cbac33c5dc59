import { mount } from "@/app/mount";

/** The signed list of tokens to refuse before they expire. */
export const { DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT } = mount();
