import { events } from "@/db/schema/events";
import type { Context } from "@/lib/context";
import { timeOrderedUuid } from "@/lib/ids";
import { currentRequestId } from "@/lib/log";

/** Every kind of event the audit trail knows. */
export const EVENTS = [
  "agent.created",
  "agent.deactivated",
  "agent.frozen",
  "agent.reactivated",
  "agent.thawed",
  "agent.updated",
  "agent_access.narrowed",
  "agent_access.stopped",
  "approval.approved",
  "approval.cancelled",
  "approval.consumed",
  "approval.denied",
  "approval.expired",
  "approval.question_answered",
  "approval.question_asked",
  "approval.requested",
  "chain.frozen",
  "chain.killed",
  "chain.thawed",
  "client.created",
  "client.deleted",
  "client.disabled",
  "client.enabled",
  "client.frozen",
  "client.secret_rotated",
  "client.thawed",
  "client.updated",
  "client_authentication.denied",
  "consent.approved",
  "consent.denied",
  "consent.refused",
  "key.created",
  "key.rotated",
  "notification.failed",
  "notification.tested",
  "passkey.added",
  "passkey.removed",
  "person.frozen",
  "person.stopped",
  "person.thawed",
  "request.denied",
  "resource.created",
  "resource.updated",
  "server.started_first",
  "session.ended",
  "session.started",
  "sign_in.denied",
  "standing_approval.created",
  "standing_approval.revoked",
  "standing_approval.used",
  "token.chaining_grant_issued",
  "token.exchanged",
  "token.id_jag_issued",
  "token.issued",
  "token.refreshed",
  "token.replay_detected",
  "token.revoked",
  "token.txn_token_issued",
  "token_request.denied",
  "trusted_issuer.created",
  "trusted_issuer.removed",
  "trusted_issuer.updated",
  "user.created",
  "user.updated",
] as const;

export type EventType = (typeof EVENTS)[number];

/** One thing that happened, for the audit trail; `data` never holds a credential. */
export type Event = {
  type: EventType;
  /** Who acted: `user:…`, `client:…`, `operator`, `system`. */
  actor: string;
  /** On what: `client:…`, `grant:…`, `user:…`, `token:<jti>`, `transaction:<txn>`, `key:<kid>`, `passkey:<credential id>`, `approval:<id>`, `resource:<uri>`, `issuer:<iss>`. */
  subject?: string | undefined;
  clientId?: string | undefined;
  data?: Record<string, unknown>;
  address?: string | undefined;
};

/** Appends one event within the caller's transaction: the change it tells of and the event commit together. */
export async function record(ctx: Pick<Context, "db" | "now">, event: Event): Promise<void> {
  await ctx.db.insert(events).values(eventRow(ctx.now(), event));
}

/** An event as its row, for statements that append several. */
export function eventRow(at: Date, { type, actor, subject, clientId, data = {}, address }: Event) {
  return {
    id: timeOrderedUuid(at),
    at,
    type,
    actor,
    subject: subject ?? null,
    clientId: clientId ?? null,
    data,
    requestId: currentRequestId() ?? null,
    address: address ?? null,
  };
}
