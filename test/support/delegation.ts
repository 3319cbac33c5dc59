import { GRANT_TYPES, TOKEN_TYPES } from "@/lib/oauth/token-types";
import { type App, type Connection, type Tokens, tokensOf } from "./client";
import { unique } from "./context";

/** An agent, as the software behind it knows itself. */
export type TestAgent = App & { id: string };

type Fields = Record<string, string | readonly string[] | undefined>;

/** Agents of a server, and what they do with tokens; `headers` are those of whoever registers them. */
export function delegation(c: Connection, headers: Record<string, string> = {}) {
  async function createAgent(
    scopes: readonly string[],
    more: Record<string, unknown> = {},
  ): Promise<TestAgent> {
    const body = { name: unique("agent-"), allowed_scopes: scopes, ...more };
    const response = await c.json("/agents", body, headers);
    if (response.status !== 201) throw new Error(`no agent: ${await response.text()}`);
    const { id, client_id: clientId, client_secret: secret } = await response.json();
    return { id, clientId, secret, redirectUri: "" };
  }

  /** The token of an agent that acts for itself. */
  const ownToken = async (agent: App, fields: Fields = {}): Promise<string> =>
    (await tokensOf(await c.token(agent, { grant_type: "client_credentials", ...fields }))).access_token;

  /** One exchange by an agent; `fields` go over the defaults. */
  const exchange = (agent: App, subjectToken: string, fields: Fields = {}): Promise<Response> =>
    c.token(agent, {
      grant_type: GRANT_TYPES.tokenExchange,
      subject_token: subjectToken,
      subject_token_type: TOKEN_TYPES.accessToken,
      ...fields,
    });

  const exchanged = async (agent: App, subjectToken: string, fields: Fields = {}): Promise<Tokens> =>
    tokensOf(await exchange(agent, subjectToken, fields));

  /** A token handed from agent to agent, each addressed to the next: the last one's, and all on the way. */
  async function chain(first: string, agents: readonly TestAgent[], fields: Fields = {}): Promise<string[]> {
    const tokens = [first];
    for (const agent of agents)
      tokens.push((await exchanged(agent, tokens.at(-1) ?? "", fields)).access_token);
    return tokens;
  }

  return { createAgent, ownToken, exchange, exchanged, chain };
}
