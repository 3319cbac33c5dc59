import type { AttestationLevel } from "@/db/schema/agents";

/** What an attestation service says of an agent's evidence. */
export type Attestation = { valid: boolean; level: AttestationLevel; reason?: string | undefined };

/** Judges the evidence an agent brings for itself. One that cannot be asked is a refusal. */
export type AttestationProvider = {
  attest(request: { name: string; evidence: Readonly<Record<string, unknown>> }): Promise<Attestation>;
};
