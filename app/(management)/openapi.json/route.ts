import { mount } from "@/app/mount";

/** The description of our APIs (OpenAPI 3.1). */
export const { DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT } = mount();
