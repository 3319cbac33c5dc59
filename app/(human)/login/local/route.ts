import { mount } from "@/app/mount";
import { signIn } from "@/app/session";

/** `POST /login`, which proxy.ts brings here: a page and a route cannot share one path. */
export const { DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT } = mount(signIn.local);
