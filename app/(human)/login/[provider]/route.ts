import { mount } from "@/app/mount";
import { signIn } from "@/app/session";

/** Goes to a provider to sign in there. */
export const { DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT } = mount(signIn.provider);
