import { mount } from "@/app/mount";

/** Freezes and kills agents, clients, people and chains of tokens. */
export const { DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT } = mount();
