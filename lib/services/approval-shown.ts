import type { ApprovalKind } from "@/db/schema/approvals";
import type { Risk } from "@/db/schema/resources";
import type { Context } from "@/lib/context";
import { toPlainText } from "@/lib/oauth/display-text";
import { findAgentByClientRecently } from "./agent-lookup";
import { listDecisions } from "./approval-decisions";
import { actInWords, sentenceOf } from "./approval-words";
import type { ActApproval } from "./approvals";
import { listMessages } from "./clarifications";
import { nameOf } from "./named-people";
import { findUsers } from "./users";

/**
 * All that a page says of a question: it is made of this and of nothing else, and this is what a passkey signs. Only
 * JSON, so that it can be kept and proven; times as ISO 8601.
 */
export type Shown = {
  id: string;
  kind: ApprovalKind;
  /** "search-bot wants to send 1 payment of 250 EUR to ACME". */
  sentence: string;
  verb: string;
  digest: string;
  requester: {
    name: string;
    clientId: string;
    kind: string;
    verifiedHost: string | null;
    registeredAt: string;
    version: string | null;
    owner: string | null;
    attestation: string | null;
  };
  /** The person on whose behalf; null: it acts for itself, or for whoever answers. */
  onBehalfOf: string | null;
  chain: readonly { sub: string; name: string; scope: readonly string[] }[];
  resource: { name: string; identifier: string };
  permissions: readonly { name: string; description: string; risk: Risk; described: boolean }[];
  details: readonly {
    type: string;
    risk: Risk;
    sentence: readonly { text: string; isValue: boolean }[];
    fields: readonly { place: string; label: string; value: string }[];
    json: string;
  }[];
  /** What the requester says; nobody verified it. */
  said: { action: string | null; reason: string | null; chain: string | null; metadata: string | null };
  messages: readonly { from: "person" | "requester"; name: string; text: string; at: string }[];
  risk: Risk;
  riskReasons: readonly string[];
  /** Two digits to compare; null where the page asks for them. */
  bindingCode: string | null;
  isBoundToKey: boolean;
  requestedAt: string;
  expiresAt: string;
  from: { address: string; userAgent: string | null };
  /** How many have to say yes, and who did. */
  quorum: number;
  approvedBy: readonly string[];
};

/** Characters of what a requester says that a page shows. */
const LONGEST = 2000;

/** Collects what a page says of a question now. */
export async function shownOf(ctx: Context, approval: ActApproval): Promise<Shown> {
  const { id, kind, act, client, digest, risk } = approval;
  const words = await actInWords(ctx, approval);
  const yeses = (await listDecisions(ctx, id)).filter(({ decision }) => decision === "approved");
  const people = await namesOf(ctx, [
    ...yeses.map(({ userId }) => userId),
    ...[approval.ownerId, approval.subjectUserId].flatMap((each) => each ?? []),
  ]);
  const agent = await findAgentByClientRecently(ctx, approval.clientId);
  const nameById = (userId: string | null) => (userId === null ? null : (people.get(userId) ?? null));
  return {
    ...{ id, kind, digest, risk, verb: words.verb, sentence: sentenceOf(client.name, words) },
    requester: {
      name: client.name,
      clientId: approval.clientId,
      kind: client.kind,
      verifiedHost: client.verifiedHost ?? null,
      registeredAt: client.registeredAt,
      version: agent?.agentVersion ?? null,
      owner: nameById(approval.ownerId),
      attestation: agent?.attestationLevel ?? null,
    },
    onBehalfOf: nameById(approval.subjectUserId),
    chain: act.chain,
    resource: words.resource,
    permissions: words.permissions,
    details: words.details,
    said: {
      action: act.action ?? null,
      reason: act.said.reason === undefined ? null : toPlainText(act.said.reason, LONGEST),
      chain: asText(act.said.chain),
      metadata: asText(act.said.metadata),
    },
    messages: await listMessages(ctx, approval),
    riskReasons: reasonsOf(risk, words),
    bindingCode: approval.matchNumber ? null : approval.bindingCode,
    isBoundToKey: act.jkt !== undefined,
    requestedAt: approval.createdAt.toISOString(),
    expiresAt: approval.expiresAt.toISOString(),
    from: { address: act.address, userAgent: act.userAgent ?? null },
    quorum: approval.quorum,
    approvedBy: yeses.map(({ userId }) => people.get(userId) ?? userId),
  };
}

async function namesOf(ctx: Context, ids: readonly string[]): Promise<ReadonlyMap<string, string>> {
  const people = await findUsers(ctx, [...new Set(ids)]);
  return new Map(people.map((person) => [person.id, nameOf(person)]));
}

/** Why an act is as risky as it is, in words. */
const reasonsOf = (
  risk: Risk,
  { permissions, details }: Pick<Shown, "permissions" | "details">,
): readonly string[] => {
  const described = permissions.filter((each) => each.risk === risk && each.described);
  const undescribed = permissions.filter((each) => each.risk === risk && !each.described);
  return [
    ...described.map(({ description }) => description),
    ...details
      .filter((each) => each.risk === risk)
      .map(({ sentence }) => sentence.map(({ text }) => text).join("")),
    ...undescribed.map(({ name }) => `Nobody described ${name}`),
  ];
};

function asText(value: unknown): string | null {
  return value === undefined ? null : toPlainText(JSON.stringify(value), LONGEST);
}
