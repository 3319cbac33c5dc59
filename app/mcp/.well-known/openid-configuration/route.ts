import { mount } from "@/app/mount";

/** Server metadata, where some MCP clients look (client quirk Q1). */
export const { DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT } = mount();
