import { type Connection, newBrowser, type Person } from "./client";
import { delegation, type TestAgent } from "./delegation";

export type Json = Record<string, unknown>;
type Headers = Record<string, string>;

/** Steps up at a server as an agent and as a person do; `registrar` are the headers of who registers agents. */
export function stepUps(c: Connection, serverUrl: string, registrar: Headers = {}) {
  const { createAgent, ownToken } = delegation(c, registrar);
  const { origin } = new URL(serverUrl);

  /** An agent with an owner, who is a person. */
  async function agentOf(person: Person, scopes: readonly string[] = ["files:read"]): Promise<TestAgent> {
    const from = { ...c.cookies({ person, browser: newBrowser() }), origin };
    return delegation(c, from).createAgent(scopes);
  }

  const ask = (body: Json, headers: Headers = {}) =>
    c.json("/stepup", { action: "delete_files", scope: "files:delete", ...body }, headers);

  /** A question that was taken. */
  async function asked(body: Json, headers: Headers = {}): Promise<Json & { id: string }> {
    const response = await ask(body, headers);
    if (response.status !== 202) throw new Error(`not asked: ${await response.text()}`);
    return response.json();
  }

  const look = (id: string, headers: Headers = {}) => c.call(`/stepup/${id}`, { headers });
  const seen = async (id: string, headers: Headers = {}): Promise<Json> => (await look(id, headers)).json();

  const bySession = (person: Person) => ({ ...c.cookies({ person, browser: newBrowser() }), origin });
  const approve = (id: string, person: Person, body: Json = {}) =>
    c.json(`/stepup/${id}/approve`, body, bySession(person));
  const deny = (id: string, person: Person, body: Json = {}) =>
    c.json(`/stepup/${id}/deny`, body, bySession(person));
  const question = (id: string, person: Person, text: string) =>
    c.json(`/approvals/${id}/questions`, { text }, bySession(person));
  const reply = (id: string, text: string, headers: Headers = {}) =>
    c.json(`/stepup/${id}/answers`, { text }, headers);

  return {
    createAgent,
    ownToken,
    agentOf,
    ask,
    asked,
    look,
    seen,
    bySession,
    approve,
    deny,
    question,
    reply,
  };
}

export const bearer = (token: string): Headers => ({ authorization: `Bearer ${token}` });
