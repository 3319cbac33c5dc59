import { z } from "zod";
import { parseJson } from "./jws";
import { type Decision, DecisionProof, type ProofCheck, verifyProofOffline } from "./signed-decision";

/** One answer to a question as the audit trail keeps it; `proof` is there where a passkey signed it. */
export const DecisionRecord = z.object({
  user: z.string().describe("user:<id>"),
  decision: z.enum(["approved", "denied"]),
  reason: z.string().nullable(),
  decided_at: z.iso.datetime(),
  digest: z.string().describe("SHA-256 of what was approved: the token for it names the same"),
  proof: DecisionProof.nullable(),
  passkey: z
    .object({ credential_id: z.string(), thumbprint: z.string(), added_at: z.iso.datetime() })
    .nullable()
    .describe("The passkey that the trail says the person had added"),
});
export type DecisionRecord = z.infer<typeof DecisionRecord>;

/** The answers to one question, for whoever wants to prove them without asking the server. */
export const DecisionRecords = z.object({
  issuer: z.string(),
  approval_id: z.string(),
  decisions: z.array(DecisionRecord),
});
export type DecisionRecords = z.infer<typeof DecisionRecords>;

/** What a proven answer says: the sentence that stood above it, and the digest of what was to run. */
export type Proven = { sentence: string; askedAt: Date };

const Statement = z.object({
  issuer: z.string(),
  user: z.string(),
  approval: z.string(),
  decision: z.string(),
  shown: z.json(),
});

const Shown = z.object({ sentence: z.string(), digest: z.string() });

type RecordCheck = { ok: true; proven: Proven } | { ok: false; problems: readonly string[] };

/** Proves one answer: that this person's passkey signed it, over exactly what was shown, and that it is about this act. */
export function verifyRecord(
  { issuer, approval_id }: Pick<DecisionRecords, "issuer" | "approval_id">,
  record: DecisionRecord,
): RecordCheck {
  if (!record.proof)
    return { ok: false, problems: ["No passkey signed it: the sign-in alone says who it was."] };
  const statement = Statement.safeParse(parseJson(Buffer.from(record.proof.statement)));
  const shown = Shown.safeParse(statement.data?.shown);
  if (!statement.success || !shown.success)
    return { ok: false, problems: ["What was signed is not an answer to an agent's question."] };
  const decision: Decision = {
    ...{ issuer, user: record.user, approvalId: approval_id, decision: record.decision },
    shown: statement.data.shown,
  };
  const { passkey } = record;
  const trusted = passkey && { credentialId: passkey.credential_id, thumbprint: passkey.thumbprint };
  const check: ProofCheck = verifyProofOffline(record.proof, decision, trusted ?? undefined);
  const problems = [
    ...(check.ok ? [] : check.problems),
    ...(shown.data.digest === record.digest ? [] : ["What was shown is not what was to run."]),
    ...(passkey ? [] : ["The trail does not say that the person ever added this passkey."]),
  ];
  if (!check.ok || problems.length > 0) return { ok: false, problems };
  return { ok: true, proven: { sentence: shown.data.sentence, askedAt: check.askedAt } };
}
