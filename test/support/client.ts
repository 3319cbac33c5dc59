import { createHash, randomBytes } from "node:crypto";
import type { Role } from "@/db/schema/resources";
import { bindingOf, browserCookieName, sessionCookieName } from "@/lib/http/cookies";
import { issueCsrfToken } from "@/lib/http/csrf";
import { decisionPurpose } from "@/lib/http/decision";
import { answer } from "@/lib/http/routes";
import { hashSecret, newSecret } from "@/lib/ids";
import type { AuthorizationDetail } from "@/lib/oauth/authorization-details";
import { findApproval } from "@/lib/services/approvals";
import { createResource } from "@/lib/services/resources";
import { createSession } from "@/lib/services/sessions";
import { createLocalUser, type User } from "@/lib/services/users";
import { SECRET_KEY, type TestContext, unique } from "./context";

/** A registered client, as the app behind it knows itself. */
export type App = { clientId: string; secret?: string; redirectUri: string };

/** A person with a local account, and the value of their session cookie. */
export type Person = { user: User; session: string };

/** Where a request comes from: who is signed in there, and which browser it is. */
export type From = { person?: Person | undefined; browser?: string | undefined };

export type Tokens = {
  access_token: string;
  refresh_token: string;
  token_type: string;
  expires_in: number;
  scope: string;
  id_token?: string;
  refresh_token_timeout?: number;
  authorization_expires_in?: number;
  authorization_details?: readonly AuthorizationDetail[];
};

/** An authorization code, and what redeems it. */
export type Code = { code: string; verifier: string };

type Fields = Record<string, string | readonly string[] | undefined>;
type Init = RequestInit & { peer?: string };

/** Who answers an authorization request: somebody new in a new browser, who allows all, unless told otherwise. */
type By = From & { allow?: readonly string[]; details?: readonly number[] };

/** The operator's key of `publicServer`. */
export const ADMIN_KEY = "the-operators-key-of-the-tests";

/** A server that is not in local mode: its issuer is public, and so is the address it listens on. */
export const publicServer = {
  AUTHGENT_SERVER_URL: "https://auth.example.com",
  AUTHGENT_HOST: "0.0.0.0",
  AUTHGENT_SECRET_KEY: SECRET_KEY,
  AUTHGENT_ADMIN_API_KEY: ADMIN_KEY,
};

/** A resource that takes bearer tokens and knows no authorization details. */
const UNBOUND = { authorizationDetailsTypes: [], dpopBoundAccessTokensRequired: false };

const REDIRECT_URI = "http://127.0.0.1:33418/callback";

/** A code verifier and its challenge (RFC 7636 §4.1, §4.2). */
export function pkce(): { verifier: string; challenge: string } {
  const verifier = newSecret();
  return { verifier, challenge: createHash("sha256").update(verifier).digest("base64url") };
}

/** A browser nobody has signed in with yet. */
export const newBrowser = (): string => newSecret("brw_");

/** Fields as a form carries them: a list repeats the name, undefined leaves it out. */
export function formOf(fields: Fields): URLSearchParams {
  const form = new URLSearchParams();
  for (const [name, value] of Object.entries(fields)) {
    for (const each of value === undefined ? [] : [value].flat()) form.append(name, each);
  }
  return form;
}

/** HTTP Basic as RFC 6749 §2.3.1 wants it: both halves form-encoded. */
export const basic = ({ clientId, secret = "" }: App): { authorization: string } => ({
  authorization: `Basic ${btoa(`${encodeURIComponent(clientId)}:${encodeURIComponent(secret)}`)}`,
});

export type Connection = ReturnType<typeof connect>;

/** Speaks to a server in-process as a client on this machine does; nothing is skipped but the socket. */
export function connect(t: TestContext) {
  const { ctx } = t;
  const { serverUrl } = ctx.settings;
  const { host, origin } = new URL(serverUrl);

  // On this machine where that means something. Elsewhere from an address of its own: what one test does wrong is
  // counted there, and other files of this worker share the counters.
  const here = ctx.settings.localMode
    ? "127.0.0.1"
    : `2001:db8:${randomBytes(4)
        .toString("hex")
        .replace(/(....)(....)/, "$1:$2")}::1`;

  /** One request. The caller names the host it meant and is where callers are, unless told otherwise. */
  async function call(path: string, { peer = here, ...init }: Init = {}): Promise<Response> {
    const headers = new Headers(init.headers);
    if (!headers.has("host")) headers.set("host", host);
    const request = new Request(`${origin}${path}`, { ...init, headers });
    const response = await answer(ctx, request, { socketAddress: peer });
    if (!response) throw new Error(`No route answers ${path}`);
    return response;
  }

  const form = (path: string, fields: Fields, headers: HeadersInit = {}, peer?: string) =>
    call(path, { method: "POST", body: formOf(fields), headers, ...(peer ? { peer } : {}) });

  const json = (path: string, body: unknown, headers: Record<string, string> = {}, method = "POST") =>
    call(path, {
      method,
      body: JSON.stringify(body),
      headers: { "content-type": "application/json", ...headers },
    });

  async function register(metadata: Record<string, unknown>): Promise<App> {
    const response = await json("/register", {
      client_name: "Test app",
      redirect_uris: [REDIRECT_URI],
      ...metadata,
    });
    if (response.status !== 201) throw new Error(`not registered: ${await response.text()}`);
    const { client_id: clientId, client_secret: secret, redirect_uris: uris } = await response.json();
    return { clientId, redirectUri: uris[0] ?? REDIRECT_URI, ...(secret ? { secret } : {}) };
  }

  const registerPublic = (metadata: Record<string, unknown> = {}) =>
    register({ token_endpoint_auth_method: "none", ...metadata });

  const registerConfidential = (metadata: Record<string, unknown> = {}) =>
    register({ token_endpoint_auth_method: "client_secret_basic", ...metadata });

  /** A new person who has just signed in. */
  async function signIn(role: Role = "member"): Promise<Person> {
    const email = `${unique("ada-")}@example.com`;
    const user = await createLocalUser(ctx, { email, name: "Ada", role, password: unique("pw-") }, "test");
    return { user, session: await signInAgain(user) };
  }

  /** A new session of a person. */
  const signInAgain = (user: User) =>
    createSession(ctx, { userId: user.id, provider: "local", amr: ["pwd"] });

  const cookies = ({ person, browser }: From): { cookie: string } => ({
    cookie: [
      person && `${sessionCookieName(ctx.settings)}=${person.session}`,
      browser && `${browserCookieName(ctx.settings)}=${browser}`,
    ]
      .filter(Boolean)
      .join("; "),
  });

  /** The authorization request of a browser. */
  const authorize = (params: Fields, from: From = {}, headers: Record<string, string> = {}) =>
    call(`/authorize?${formOf(params)}`, { headers: { ...cookies(from), ...headers } });

  /** What an app sends to /authorize, with a challenge of its own where the test brings none. */
  const requestOf = (app: App, params: Fields = {}): Fields => ({
    response_type: "code",
    client_id: app.clientId,
    redirect_uri: app.redirectUri,
    code_challenge: pkce().challenge,
    code_challenge_method: "S256",
    ...params,
  });

  /** A form post as our own pages send it: cookies, origin, and the token of that form. */
  const post = (path: string, purpose: string, fields: Fields, from: { person: Person; browser: string }) =>
    form(path, { csrf: csrf(purpose, from), ...fields }, { ...cookies(from), origin });

  const csrf = (purpose: string, { person, browser }: { person: Person; browser: string }) =>
    issueCsrfToken(ctx, { binding: bindingOf(browser, hashSecret(person.session)), purpose });

  type Answer = {
    person: Person;
    browser: string;
    scope?: readonly string[];
    /** Authorization details, by their place in the request. */
    details?: readonly number[];
    decision?: "allow" | "deny";
  };

  /** The person's answer on the consent page: everything the app asked for, unless told otherwise. */
  async function consent(id: string, { person, browser, scope, details, decision = "allow" }: Answer) {
    const asked = (await findApproval(ctx, id))?.request;
    const places = details ?? [...(asked?.authorizationDetails ?? []).keys()];
    const fields = { decision, scope: scope ?? asked?.scope ?? [], detail: places.map(String) };
    return post(`/approve/${id}/decision`, decisionPurpose(id), fields, { person, browser });
  }

  /** The address a code or a refusal was sent to, whether the person was asked or not. */
  async function answerTo(params: Fields, { person, browser, allow, details }: By = {}): Promise<URL> {
    const from = { person: person ?? (await signIn()), browser: browser ?? newBrowser() };
    const asked = await authorize(params, from);
    const approval = approvalOf(asked);
    const ticked = { ...(allow && { scope: allow }), ...(details && { details }) };
    const answered = approval ? await consent(approval, { ...from, ...ticked }) : asked;
    return new URL(answered.headers.get("location") ?? "", serverUrl);
  }

  const answerFor = (app: App, params: Fields = {}, by: By = {}) => answerTo(requestOf(app, params), by);

  /** A code for an app, with the person's consent, and the verifier that redeems it. */
  async function codeFor(app: App, params: Fields = {}, by: By = {}): Promise<Code> {
    const { verifier, challenge } = pkce();
    const location = await answerFor(app, { code_challenge: challenge, ...params }, by);
    const code = location.searchParams.get("code");
    if (!code) throw new Error(`no code: ${location}`);
    return { code, verifier };
  }

  /** A token request that the app proves itself with. */
  const token = (app: App, fields: Fields): Promise<Response> =>
    app.secret ? form("/token", fields, basic(app)) : form("/token", { client_id: app.clientId, ...fields });

  const redeem = (app: App, { code, verifier }: Code, fields: Fields = {}) =>
    token(app, { grant_type: "authorization_code", code, code_verifier: verifier, ...fields });

  const refresh = (app: App, refreshToken: string, fields: Fields = {}) =>
    token(app, { grant_type: "refresh_token", refresh_token: refreshToken, ...fields });

  /** Tokens for an app, with the person's consent. */
  const tokensFor = async (app: App, params: Fields = {}, by: By = {}): Promise<Tokens> =>
    tokensOf(await redeem(app, await codeFor(app, params, by)));

  /** What the server says of a token to its operator, or in local mode to anybody (RFC 7662 §2.2). */
  async function introspect(token: string): Promise<Record<string, unknown>> {
    const { adminApiKey } = ctx.settings;
    return (await form("/introspect", { token }, adminApiKey ? { "x-admin-key": adminApiKey } : {})).json();
  }

  type Protected = {
    scopes?: readonly string[];
    aliases?: readonly string[];
    introspectionClients?: string[];
  };

  /** Registers a resource with scopes in words nobody reads here. */
  async function protect(
    resource: string,
    { scopes = [], aliases = [], introspectionClients = [] }: Protected = {},
  ) {
    const described = scopes.map((name) => ({ name, description: `May ${name}`, risk: "low" as const }));
    const input = { resource, name: resource, scopes: described, aliases, introspectionClients, ...UNBOUND };
    await createResource(ctx, input, "test");
    return resource;
  }

  return {
    ...{ introspect, protect },
    ...{ call, form, json, post, csrf, cookies },
    ...{ register, registerPublic, registerConfidential, signIn, signInAgain },
    ...{ authorize, requestOf, consent, answerTo, answerFor, codeFor, token, redeem, refresh, tokensFor },
  };
}

/** The tokens of an answer; anything else is the end of the test. */
export async function tokensOf(response: Response): Promise<Tokens> {
  if (response.status !== 200) throw new Error(`no tokens: ${await response.text()}`);
  return response.json();
}

/** The approval that an answer of /authorize sends the person to. */
export const approvalOf = (response: Response): string | undefined =>
  /^\/approve\/([\w-]+)$/.exec(response.headers.get("location") ?? "")?.[1];

/** The status of a refusal and its code, wherever the endpoint puts it. */
export async function refusalOf(response: Response): Promise<{ status: number; error: unknown }> {
  const { error } = await response.json();
  return { status: response.status, error };
}
