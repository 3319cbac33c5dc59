import { mount } from "@/app/mount";

/** Pushed authorization requests (RFC 9126 §2). */
export const { DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT } = mount();
