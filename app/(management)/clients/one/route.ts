import { mount } from "@/app/mount";

/** One client, by the id in its query: ids may be URLs. */
export const { DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT } = mount();
