import { type App, basic, type Code, type Connection, pkce } from "./client";

type Fields = Record<string, string | readonly string[] | undefined>;

/** Pushes the authorization request of an app, with its secret if it has one (RFC 9126 §2.1). */
export function push(c: Connection, app: App, params: Fields = {}, headers: Record<string, string> = {}) {
  const credentials = app.secret ? basic(app) : {};
  return c.form("/par", c.requestOf(app, params), { ...credentials, ...headers });
}

/** What the person's browser is sent to /authorize with (RFC 9126 §4). */
export async function linkOf(app: App, pushed: Response): Promise<Fields> {
  if (pushed.status !== 201) throw new Error(`not pushed: ${await pushed.text()}`);
  return { client_id: app.clientId, request_uri: (await pushed.json()).request_uri };
}

/** A code for a request that was pushed, with a person's consent. */
export async function pushedCode(
  c: Connection,
  app: App,
  params: Fields = {},
  headers: Record<string, string> = {},
): Promise<Code> {
  const { verifier, challenge } = pkce();
  const pushed = await push(c, app, { code_challenge: challenge, ...params }, headers);
  const answer = await c.answerTo(await linkOf(app, pushed));
  const code = answer.searchParams.get("code");
  if (!code) throw new Error(`no code: ${answer}`);
  return { code, verifier };
}
