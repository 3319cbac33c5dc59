import { mount } from "@/app/mount";

/** Our MCP endpoint (product decision D15). */
export const { DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT } = mount();
