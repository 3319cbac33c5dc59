import { mount } from "@/app/mount";
import { signIn } from "@/app/session";

/** Comes back from signing in. */
export const { DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT } = mount(signIn.complete);
