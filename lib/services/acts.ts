import { randomInt } from "node:crypto";
import { sql } from "drizzle-orm";
import type { ApprovalKind, AskedAct } from "@/db/schema/approvals";
import { type Context, inTransaction } from "@/lib/context";
import { OAuthError } from "@/lib/errors";
import { newOpaqueId } from "@/lib/ids";
import { actDigest } from "@/lib/oauth/act-digest";
import { userIdOf } from "@/lib/oauth/subject";
import { findAgentByClientRecently } from "./agent-lookup";
import { tellOfRequest } from "./approval-news";
import { rulingOf } from "./approval-rules";
import {
  type ActApproval,
  countDenials,
  countPending,
  findPendingAct,
  insertApproval,
  isAct,
  noteApproval,
} from "./approvals";
import type { Client } from "./clients";
import { record } from "./events";
import { takeStandingApproval } from "./standing-approvals";

type NewAct = {
  kind: Exclude<ApprovalKind, "consent" | "device">;
  client: Client;
  act: AskedAct;
  /** The only person who may answer; absent: see deciders.ts. */
  userId?: string | undefined;
  /** No later than this, whatever the settings say: what the answer is for ends then. */
  until?: Date | undefined;
  /** Seconds that the requester wants to wait at most. */
  patience?: number | undefined;
  matchNumber?: boolean | undefined;
  /** Asked once, however often the client asks for the same while nobody has answered. */
  isSameAsked?: boolean | undefined;
  sealedRequest?: string | undefined;
  sealedPing?: string | undefined;
};

/** Seconds in which what was refused makes an agent's next questions harder to say yes to. */
const MEMORY = 3600;
/** Refusals within that time after which the page asks for the number; after so many more nobody is asked. */
const DENIALS_TO_MATCH = 2;
const DENIALS_TO_STOP = 5;
/** Questions that may wait at the same time for one person, of all agents that are theirs or act for them. */
const MAX_FOR_PERSON = 50;

/** The digest of what an agent asks to be allowed; what runs after a yes has the same. */
export const digestOf = ({ clientId }: Pick<Client, "clientId">, act: AskedAct): string =>
  actDigest({ clientId, ...act });

/**
 * Asks people whether an agent may do something, once: who may answer is worked out, they are told, and the question
 * waits; or a standing approval covers it, and the answer is there. Throws `too_many_requests` where an agent asks more
 * than people can be expected to read.
 */
export async function requestAct(ctx: Context, asked: NewAct): Promise<ActApproval> {
  const { kind, client, act, userId } = asked;
  const ruling = await rulingOf(ctx, act);
  const agent = await findAgentByClientRecently(ctx, client.clientId);
  const subjectUserId = userIdOf(act.subject) ?? null;
  const people = distinct([subjectUserId, agent?.ownerId]);
  const denials = await countDenials(ctx, client.clientId, secondsFrom(ctx, -MEMORY));
  return inTransaction(ctx, async (tx) => {
    await oneAtATime(tx, client);
    const same = asked.isSameAsked ? await askedBefore(tx, asked) : undefined;
    if (same) return same;
    await requireRoom(tx, client, people, denials);
    const approval = await insertApproval(tx, client, {
      id: newOpaqueId(),
      kind,
      act,
      digest: digestOf(client, act),
      risk: ruling.risk,
      userId: userId ?? null,
      subjectUserId,
      ownerId: agent?.ownerId ?? null,
      ...{ approverIds: [...ruling.approverIds], approverGroups: [...ruling.approverGroups] },
      ...{ quorum: ruling.quorum, fourEyes: ruling.fourEyes },
      bindingCode: newBindingCode(),
      matchNumber: asked.matchNumber === true || denials >= DENIALS_TO_MATCH,
      ...{ sealedRequest: asked.sealedRequest ?? null, sealedPing: asked.sealedPing ?? null },
      expiresAt: lastMoment(ctx, asked),
    });
    if (!isAct(approval)) throw new Error("an act was just inserted");
    await record(tx, {
      type: "approval.requested",
      actor: `client:${client.clientId}`,
      subject: `approval:${approval.id}`,
      clientId: client.clientId,
      data: {
        ...{ kind, resource: act.resource, scope: act.scope, digest: approval.digest, risk: approval.risk },
        ...(act.subject && { principal: act.subject }),
        ...(act.authorizationDetails && { authorizationDetails: act.authorizationDetails }),
      },
      address: act.address,
    });
    const standing = await takeStandingApproval(tx, approval);
    if (standing) return standing;
    await tellOfRequest(tx, approval);
    return approval;
  });
}

/**
 * The same question that waits already; what goes on after the yes is the newest request. One that came through others
 * is another question: who decides reads whom it came through.
 */
async function askedBefore(tx: Context, { client, act, kind, sealedRequest }: NewAct) {
  const { clientId } = client;
  const same = await findPendingAct(tx, { clientId, kind, digest: digestOf(client, act), chain: act.chain });
  if (!same || !isAct(same)) return undefined;
  if (!sealedRequest) return same;
  await noteApproval(tx, same.id, { sealedRequest });
  return { ...same, sealedRequest };
}

const distinct = (ids: readonly (string | null | undefined)[]): string[] => [
  ...new Set(ids.flatMap((id) => id ?? [])),
];

const secondsFrom = ({ now }: Pick<Context, "now">, seconds: number): Date =>
  new Date(now().getTime() + seconds * 1000);

/** Between 10 and 99: two digits that are read aloud the same way everywhere. */
const newBindingCode = (): string => String(randomInt(10, 100));

function lastMoment(ctx: Context, { until, patience }: Pick<NewAct, "until" | "patience">): Date {
  const { hitlTimeout } = ctx.settings;
  const end = secondsFrom(ctx, Math.min(hitlTimeout, patience ?? hitlTimeout));
  return until && until < end ? until : end;
}

/** Questions of one client are put one after the other, on all instances: what waits already is counted. */
async function oneAtATime(tx: Context, { clientId }: Client): Promise<void> {
  await tx.db.execute(sql`select pg_advisory_xact_lock(hashtextextended(${`acts of ${clientId}`}, 0))`);
}

/** Nobody is worn down into a yes (security case 167). */
async function requireRoom(
  tx: Context,
  { clientId }: Client,
  people: readonly string[],
  denials: number,
): Promise<void> {
  if (denials >= DENIALS_TO_STOP)
    throw tooMany(
      "People refused this agent several times within the hour. Ask its owner what to change.",
      600,
    );
  const { ofClient, ofPerson } = await countPending(tx, { clientId, people });
  const { maxPendingApprovals } = tx.settings;
  if (ofClient >= maxPendingApprovals)
    throw tooMany(
      `${ofClient} requests of this agent wait for a person already, or did a moment ago. Wait for an answer first.`,
      30,
    );
  if (ofPerson >= MAX_FOR_PERSON)
    throw tooMany("Too many requests wait for this person already. Try again in a while.", 60);
}

const tooMany = (description: string, retryAfter: number) =>
  new OAuthError("too_many_requests", description, { headers: { "retry-after": String(retryAfter) } });
