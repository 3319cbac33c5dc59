import { and, asc, inArray } from "drizzle-orm";
import { events } from "@/db/schema/events";
import type { Context } from "@/lib/context";
import type { DecisionRecord } from "@/lib/oauth/decision-record";
import { DecisionProof } from "@/lib/oauth/signed-decision";

type Row = typeof events.$inferSelect;

/** Every answer to a question, from the audit trail: they are there when the question itself is long gone. */
export async function listDecisionRecords(
  ctx: Context,
  approvalId: string,
): Promise<readonly DecisionRecord[]> {
  const answers = await eventsAbout(
    ctx,
    [`approval:${approvalId}`],
    ["approval.approved", "approval.denied"],
  );
  const proofs = answers.map(({ data }) => DecisionProof.safeParse(data.proof).data ?? null);
  const names = proofs.flatMap((proof) => (proof ? [`passkey:${proof.credential_id}`] : []));
  const passkeys = await eventsAbout(ctx, names, ["passkey.added"]);
  return answers.map(({ actor, type, at, data }, index): DecisionRecord => {
    const proof = proofs[index] ?? null;
    // A passkey that was removed and added again has the person's last word that was before this answer.
    const added = passkeys.findLast(
      (event) =>
        event.subject === `passkey:${proof?.credential_id}` && event.actor === actor && event.at <= at,
    );
    return {
      user: actor,
      decision: type === "approval.approved" ? "approved" : "denied",
      reason: typeof data.reason === "string" ? data.reason : null,
      decided_at: at.toISOString(),
      digest: String(data.digest),
      proof,
      passkey: proof && added ? passkeyOf(proof, added) : null,
    };
  });
}

const passkeyOf = ({ credential_id }: DecisionProof, { at, data }: Row) => ({
  credential_id,
  thumbprint: String(data.thumbprint),
  added_at: at.toISOString(),
});

const eventsAbout = async (
  ctx: Context,
  subjects: readonly string[],
  types: readonly string[],
): Promise<readonly Row[]> =>
  subjects.length === 0
    ? []
    : ctx.db
        .select()
        .from(events)
        .where(and(inArray(events.subject, [...subjects]), inArray(events.type, [...types])))
        .orderBy(asc(events.id));
