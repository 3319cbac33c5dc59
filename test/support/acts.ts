import type { AskedAct } from "@/db/schema/approvals";
import type { Role } from "@/db/schema/resources";
import { decisionPurpose } from "@/lib/http/decision";
import { requestAct } from "@/lib/services/acts";
import { createAgent } from "@/lib/services/agents";
import type { ActApproval } from "@/lib/services/approvals";
import { type Client, findClient } from "@/lib/services/clients";
import { newBrowser } from "./client";
import { unique } from "./context";
import type { Visitor } from "./passkeys";
import type { PublicServer } from "./public-server";

type Asking = { act?: Partial<AskedAct>; kind?: "step_up" | "issuance" | "ciba"; matchNumber?: boolean };

/** What agents ask of people, and how people answer it from their browsers. */
export function actsOf({ t, c, operator }: PublicServer) {
  const { origin } = new URL(t.ctx.settings.serverUrl);

  /** Somebody who has just signed in, in one browser. */
  const visit = async (role: Role = "member"): Promise<Visitor> => ({
    person: await c.signIn(role),
    browser: newBrowser(),
  });

  /** An agent of a person's. */
  async function agentOf({ person }: Visitor, name = unique("bot-")): Promise<Client> {
    const { id: userId } = person.user;
    const manager = { actor: `user:${userId}`, userId, isOperator: false, address: "127.0.0.1" };
    const { agent } = await createAgent(t.ctx, { name, scope: [] }, manager);
    const client = await findClient(t.ctx, agent.clientId);
    if (!client) throw new Error("just registered");
    return client;
  }

  const actOf = ({ clientId, name }: Client, changes: Partial<AskedAct> = {}): AskedAct => ({
    subject: `client:${clientId}`,
    actors: [],
    resource: "https://files.example/mcp",
    scope: ["files:delete"],
    chain: [{ sub: `client:${clientId}`, name, scope: ["files:delete"] }],
    said: { reason: "the old ones" },
    address: "203.0.113.7",
    ...changes,
  });

  /** What an agent asks. */
  const ask = (client: Client, { act, kind = "step_up", matchNumber }: Asking = {}): Promise<ActApproval> =>
    requestAct(t.ctx, { kind, client, act: actOf(client, act), matchNumber });

  /** A resource with one scope, and what is said of it. */
  async function resource(scope: Record<string, unknown>, more: Record<string, unknown> = {}) {
    const identifier = `https://${unique("api")}.example/v1`;
    const scopes = [{ name: "act", description: "Do it", risk: "medium", ...scope }];
    const response = await c.json(
      "/resources",
      { resource: identifier, name: "An API", scopes, ...more },
      operator,
    );
    if (response.status !== 201) throw new Error(`not created: ${await response.text()}`);
    return { resource: identifier, scope: ["act"] };
  }

  const headers = (from: Visitor) => ({ ...c.cookies(from), origin });

  const list = (from: Visitor, query = "") => c.call(`/approvals${query}`, { headers: headers(from) });
  const show = (from: Visitor, { id }: Pick<ActApproval, "id">) =>
    c.call(`/approvals/${id}`, { headers: headers(from) });
  const answer = (from: Visitor, { id }: Pick<ActApproval, "id">, body: unknown) =>
    c.json(`/approvals/${id}/decision`, body, headers(from));
  const options = (from: Visitor, { id }: Pick<ActApproval, "id">, digest: string) =>
    c.json(`/approvals/${id}/options`, { digest }, headers(from));
  const press = (from: Visitor, { id }: Pick<ActApproval, "id">, fields: Record<string, string>) =>
    c.post(`/approve/${id}/decision`, decisionPurpose(id), fields, from);

  return { origin, visit, agentOf, actOf, ask, resource, headers, list, show, answer, options, press };
}
