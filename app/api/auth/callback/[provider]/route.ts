import { mount } from "@/app/mount";
import { signIn } from "@/app/session";

/** A provider's answer (OIDC Core §3.1.2.5). */
export const { DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT } = mount(signIn.callback);
