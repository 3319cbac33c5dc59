import { mount } from "@/app/mount";

/** Begins to confirm by passkey. */
export const { DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT } = mount();
