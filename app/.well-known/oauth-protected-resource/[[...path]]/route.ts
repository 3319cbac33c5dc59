import { mount } from "@/app/mount";

/** Metadata of our own resources (RFC 9728 §3). */
export const { DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT } = mount();
