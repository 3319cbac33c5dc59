import { mount } from "@/app/mount";

/** The receipts behind a token, for offline proof. */
export const { DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT } = mount();
