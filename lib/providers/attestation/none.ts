import type { AttestationProvider } from "./provider";

/** Judges nothing: evidence is neither refused nor believed. */
export const noAttestation: AttestationProvider = {
  attest: async () => ({ valid: true, level: "none" }),
};
