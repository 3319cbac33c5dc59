import { eq } from "drizzle-orm";
import { events } from "@/db/schema/events";
import type { ResourceScope } from "@/db/schema/resources";
import { accessTokens } from "@/db/schema/tokens";
import { decideAct } from "@/lib/services/approval-decisions";
import { readHandle } from "@/lib/services/approval-handles";
import { findApproval } from "@/lib/services/approvals";
import { createResource } from "@/lib/services/resources";
import { findSession } from "@/lib/services/sessions";
import type { App, Connection, Person } from "./client";
import { type TestContext, unique } from "./context";

export const CIBA = "urn:openid:params:grant-type:ciba";
export const DEFERRED = "urn:ietf:params:oauth:grant-type:deferred";

/** A bank whose payments a person approves each time. */
export async function bankOf({ ctx }: TestContext, rule: Partial<ResourceScope> = {}): Promise<string> {
  const resource = `https://${unique("bank-")}.example/mcp`;
  const scopes: ResourceScope[] = [
    { name: "balance:read", description: "See balances", risk: "low" },
    { name: "payments:send", description: "Send payments", risk: "medium", approval: "required", ...rule },
  ];
  const input = { resource, name: "Bank", scopes, aliases: [], introspectionClients: [] };
  await createResource(
    ctx,
    { ...input, authorizationDetailsTypes: [], dpopBoundAccessTokensRequired: false },
    "test",
  );
  return resource;
}

/** People who answer, and clients that wait for them. */
export function waiting(t: TestContext, c: Connection) {
  /** A person's answer, as the page gives it once it is sure of them. */
  async function answer(
    id: string,
    person: Person,
    decision: "approved" | "denied" = "approved",
    reason?: string,
  ) {
    const by = await findSession(t.ctx, person.session);
    if (!by) throw new Error("signed in before");
    const { outcome } = await decideAct(t.ctx, { id, by, decision, reason });
    return outcome;
  }

  const approvalOf = (authReqId: string): string => readHandle(t.ctx, authReqId, "auth_req_id") ?? "";

  const poll = (app: App, authReqId: string, more: Record<string, string> = {}): Promise<Response> =>
    c.token(app, { grant_type: CIBA, auth_req_id: authReqId, ...more });

  const pollDeferred = (app: App, deferralCode: string): Promise<Response> =>
    c.token(app, { grant_type: DEFERRED, deferral_code: deferralCode });

  /** What the audit trail tells of an approval, by name. */
  const eventsOf = async (id: string): Promise<string[]> => {
    const rows = await t.ctx.db
      .select({ type: events.type })
      .from(events)
      .where(eq(events.subject, `approval:${id}`))
      .orderBy(events.type);
    return rows.map(({ type }) => type);
  };

  /** How many tokens came of an approval. */
  const tokensOfApproval = async (id: string): Promise<number> =>
    t.ctx.db.$count(accessTokens, eq(accessTokens.approvalId, id));

  const sealedRequest = async (id: string) => (await findApproval(t.ctx, id))?.sealedRequest;

  return { answer, approvalOf, poll, pollDeferred, eventsOf, tokensOfApproval, sealedRequest };
}
