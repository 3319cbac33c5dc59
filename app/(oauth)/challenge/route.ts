import { mount } from "@/app/mount";

/** Challenges for client attestations (draft-ietf-oauth-attestation-based-client-auth-11 §6.3). */
export const { DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT } = mount();
