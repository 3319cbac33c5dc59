import { type Context, inTransaction } from "@/lib/context";
import { OAuthError } from "@/lib/errors";
import { forgetAgents, getAgent } from "./agent-lookup";
import { requireMayRun } from "./agents";
import { cancelQuestionsOf } from "./approval-ends";
import { type BlastRadius, blastRadiusOf } from "./blast-radius";
import type { StatusSetter } from "./client-status";
import { changeClientStatus } from "./clients";
import { type Event, type EventType, record } from "./events";
import { revokeGrantsOf } from "./grants";
import { type Found, findTarget, type Target, type TargetState } from "./kill-targets";
import { forgetRevocationFeed } from "./revocation-feed";
import { endSessionsOf } from "./sessions";
import { endStandingOf } from "./standing-approvals";
import { freezeFamily, freezeTokens, revokeFamily, revokeTokens } from "./tokens";
import { changeUserStatus } from "./users";

/** `freeze` holds a target back until `thaw`; `kill` ends what it holds for good. */
export type Action = "freeze" | "thaw" | "kill";

/** A target, the state it is in, and what stopping it ends. */
export type Stopped = { state: TargetState } & BlastRadius;

/** What would die, before anybody decides. */
export async function preview(ctx: Context, target: Target): Promise<Stopped> {
  const found = await findTarget(ctx, target);
  return { state: found.state, ...(await blastRadiusOf(ctx, found)) };
}

type Order = {
  target: Target;
  action: Action;
  actor: string;
  /** Whether they are the operator or an admin, who undo what others did; nobody else does. */
  isOperator?: boolean;
  reason?: string | undefined;
  address: string;
};

/** Freezes, thaws or kills a target: refused everywhere with the next question, also what is being issued meanwhile. */
export async function stop(ctx: Context, { target, action, ...order }: Order): Promise<Stopped> {
  const { found, radius } = await inTransaction(ctx, async (tx) => {
    const found = await findTarget(tx, target);
    refuseVain(action, found);
    // An agent is stopped with its parent and its owner, so it goes on only after them.
    if (found.kind === "agent" && action === "thaw") await requireMayRun(tx, await getAgent(tx, found.id));
    const radius = await blastRadiusOf(tx, found);
    const event = eventOf(found, action, order, radius);
    // Somebody else's decision may have been committed since we looked.
    const by = { actor: order.actor, isOperator: order.isOperator === true };
    if (!(await act(tx, { found, action, by }, event)))
      throw conflict("Somebody just changed it. Look again.");
    return { found, radius };
  });
  if ("clientIds" in found) forgetAgents(ctx, found.clientIds);
  forgetRevocationFeed(ctx);
  return { state: BECOMES[action], ...radius };
}

const BECOMES: Record<Action, TargetState> = { freeze: "frozen", thaw: "active", kill: "dead" };

const VAIN: Record<Action, Partial<Record<TargetState, string>>> = {
  freeze: { frozen: "It is frozen already.", dead: "It is stopped for good: there is nothing to freeze." },
  thaw: { active: "It is not frozen.", dead: "It is stopped for good: a thaw does not bring it back." },
  kill: { dead: "It is stopped already." },
};

function refuseVain(action: Action, found: Found): void {
  // Frozen with its parent or its owner, it can be frozen by itself besides, and stays so after their thaw.
  const isFrozenWithOthers = "frozenWith" in found && !found.frozenWith.includes(found.clientId);
  if (action === "freeze" && found.state === "frozen" && isFrozenWithOthers) return;
  const reason = VAIN[action][found.state];
  if (reason) throw conflict(reason);
}

const conflict = (description: string) => new OAuthError("conflict", description);

type Act<Target = Found> = { found: Target; action: Action; by: StatusSetter };

/** Does it and tells of it, within the caller's transaction; false: nothing was left to do. */
async function act(tx: Context, { found, action, by }: Act, event: Event): Promise<boolean> {
  if (found.kind === "chain" && action === "kill") return killChain(tx, found, event);
  const done = await change(tx, { found, action, by });
  if (done) await record(tx, event);
  return done;
}

function change(tx: Context, { found, action, by }: Act): Promise<boolean> {
  switch (found.kind) {
    case "agent":
    case "client":
      return actOnClient(tx, { found, action, by });
    case "person":
      return actOnPerson(tx, { found, action, by });
    case "chain":
      return freezeChain(tx, found, action);
  }
}

const STATUS = { freeze: "frozen", thaw: "active", kill: "disabled" } as const;

async function actOnClient(tx: Context, { found, action, by }: Act<OfKind<"agent" | "client">>) {
  const changed = await actOnClients(tx, { found, action, by }, found.clientId);
  return changed.some((client) => client.clientId === found.clientId);
}

async function actOnClients(
  tx: Context,
  { found: { clientIds }, action, by }: Act<{ clientIds: readonly string[] }>,
  aim: string,
) {
  const changed = await changeClientStatus(tx, clientIds, { status: STATUS[action], by, aim });
  if (action !== "kill") return changed;
  // What people allowed stays theirs: while the app is stopped it is worth nothing. What they said yes to, once or from
  // now on, was for what it was about to do.
  await cancelQuestionsOf(tx, clientIds, by);
  await endStandingOf(tx, { clientIds }, by.actor);
  await revokeTokens(tx, { clientIds });
  return changed;
}

async function actOnPerson(tx: Context, { found, action, by }: Act<OfKind<"person">>): Promise<boolean> {
  const { userId } = found;
  const subject = `user:${userId}`;
  const changed = await changeUserStatus(tx, userId, STATUS[action]);
  await actOnClients(tx, { found, action, by }, subject);
  if (action === "kill") {
    await revokeTokens(tx, { subjects: [subject] });
    await revokeGrantsOf(tx, { userId }, by.actor);
    await endStandingOf(tx, { userId }, by.actor);
    await endSessionsOf(tx, userId);
  }
  return changed;
}

type OfKind<Kind extends Found["kind"]> = Extract<Found, { kind: Kind }>;

async function freezeChain(
  tx: Context,
  { jtis, familyId }: OfKind<"chain">,
  action: Action,
): Promise<boolean> {
  const frozenAt = action === "freeze" ? tx.now() : null;
  return familyId === null
    ? (await freezeTokens(tx, jtis, frozenAt)) > 0
    : freezeFamily(tx, familyId, frozenAt);
}

async function killChain(tx: Context, { jtis, familyId }: OfKind<"chain">, event: Event): Promise<boolean> {
  const revoked = jtis.length > 0 ? await revokeTokens(tx, { jtis }) : 0;
  const told = familyId !== null && (await revokeFamily(tx, { familyId, because: "chain killed", event }));
  if (revoked > 0 && !told) await record(tx, event);
  return revoked > 0 || told;
}

const EVENT_TYPES = {
  agent: { freeze: "agent.frozen", thaw: "agent.thawed", kill: "agent.deactivated" },
  client: { freeze: "client.frozen", thaw: "client.thawed", kill: "client.disabled" },
  person: { freeze: "person.frozen", thaw: "person.thawed", kill: "person.stopped" },
  chain: { freeze: "chain.frozen", thaw: "chain.thawed", kill: "chain.killed" },
} as const satisfies Record<Found["kind"], Record<Action, EventType>>;

function eventOf(
  found: Found,
  action: Action,
  { actor, reason, address }: Omit<Order, "target" | "action" | "isOperator">,
  { counts }: BlastRadius,
): Event {
  return {
    type: EVENT_TYPES[found.kind][action],
    actor,
    subject: subjectOf(found),
    ...("clientId" in found && { clientId: found.clientId }),
    data: { ...counts, ...(reason && { reason }) },
    address,
  };
}

function subjectOf(found: Found): string {
  switch (found.kind) {
    case "agent":
      return `agent:${found.id}`;
    case "client":
      return `client:${found.clientId}`;
    case "person":
      return `user:${found.userId}`;
    case "chain":
      return `token:${found.rootJti}`;
  }
}
