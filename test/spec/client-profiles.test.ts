import { generateKeyPairSync } from "node:crypto";
import { beforeAll, describe, expect, it } from "vitest";
import type { WalkAnswer, WalkRequest } from "@/lib/client-profiles/answers";
import { clientProfiles } from "@/lib/client-profiles/index";
import type { ClientProfile } from "@/lib/client-profiles/profile";
import { type Walked, walk } from "@/lib/client-profiles/walk";
import type { Context } from "@/lib/context";
import { newSecret } from "@/lib/ids";
import { signJws } from "@/lib/oauth/jws";
import { OutboundError, type PublicResponse } from "@/lib/outbound/public-fetch";
import { approvalOf, type Connection, connect, newBrowser, type Person } from "@/test/support/client";
import { type TestContext, testContext } from "@/test/support/context";

// All clients of this file come from one address, a crowd no limit expects there.
const CROWD = { AUTHGENT_TOKEN_RATE_LIMIT: "5000", AUTHGENT_REGISTER_RATE_LIMIT: "500" };

/** Where these clients find us: on this machine, and where operators run us. */
const SERVERS = [
  { mode: "local mode", url: "http://localhost:8000", env: CROWD },
  {
    mode: "constrained registration on https",
    url: "https://auth.example.com",
    env: {
      ...CROWD,
      AUTHGENT_SERVER_URL: "https://auth.example.com",
      AUTHGENT_SECRET_KEY: "test-secret-key-that-is-64-characters-long-0123456789-abcdefghij",
      AUTHGENT_REGISTRATION_POLICY: "constrained",
    },
  },
];

/** The key that ChatGPT would sign with. */
const signing = generateKeyPairSync("rsa", { modulusLength: 2048 });
const KID = "cimd-20260428030119";
const jwks = {
  keys: [{ ...signing.publicKey.export({ format: "jwk" }), kid: KID, use: "sig", alg: "RS256" }],
};

const sign: Parameters<typeof walk>[1]["sign"] = (claims) => {
  const iat = Math.floor(t.ctx.now().getTime() / 1000);
  const payload = { ...claims, iat, exp: iat + 60, jti: newSecret() };
  return signJws({ kid: KID }, JSON.stringify(payload), { alg: "RS256", key: signing.privateKey });
};

const documents = new Map<string, unknown>([
  ["https://chatgpt.com/oauth/jwks.json", jwks],
  ...clientProfiles.flatMap(({ registration }) =>
    registration.kind === "document" ? [[registration.clientId, registration.document] as const] : [],
  ),
]);

/** The web as these clients' makers publish it: their documents, and nothing else. */
const fetchPublic: Context["fetchPublic"] = async (url): Promise<PublicResponse> => {
  const document = documents.get(url.href);
  if (!document) throw new OutboundError("unreachable", `${url.host} has no such document`);
  const headers = new Headers({ "content-type": "application/json", "cache-control": "max-age=300" });
  return { status: 200, headers, body: JSON.stringify(document) };
};

let t: TestContext;
let c: Connection;
let person: Person;

/** Sends one request of a client as it is, without its socket. */
async function send({ url, method, headers, body }: WalkRequest): Promise<WalkAnswer> {
  const { pathname, search } = new URL(url);
  const response = await c.call(`${pathname}${search}`, { method, headers, ...(body ? { body } : {}) });
  return { status: response.status, headers: response.headers, body: await response.text() };
}

/** Plays the browser: the person allows what is asked, and is sent back to the app by redirect or by a page. */
async function answerInBrowser({ url }: WalkRequest): Promise<WalkAnswer> {
  const browser = newBrowser();
  const { pathname, search } = new URL(url);
  const asked = await c.call(`${pathname}${search}`, { headers: c.cookies({ person, browser }) });
  const approval = approvalOf(asked);
  const answered = approval ? await c.consent(approval, { person, browser }) : asked;
  const headers = new Headers(answered.headers);
  const refresh = headers.get("refresh")?.replace(/^0; url=/, "");
  if (refresh) headers.set("location", refresh);
  return { status: answered.status, headers, body: await answered.text() };
}

/** Two processes of one client refresh at once, as they do; both must get the same tokens (client quirk Q37). */
async function refreshTwice(request: WalkRequest): Promise<WalkAnswer> {
  const [one, other] = await Promise.all([send(request), send(signedAnew(request))]);
  expect(other.status).toBe(one.status);
  expect(other.body).toBe(one.body);
  return one;
}

/** Each process signs for itself: an assertion counts once. */
function signedAnew(request: WalkRequest): WalkRequest {
  const body = new URLSearchParams(request.body);
  if (!body.has("client_assertion")) return request;
  const clientId = body.get("client_id") ?? "";
  body.set("client_assertion", sign({ iss: clientId, sub: clientId, aud: request.url }));
  return { ...request, body: body.toString() };
}

type Sent = { request: WalkRequest; answer: WalkAnswer };

/** Runs a client against the server to its end, and keeps what went over the wire. */
async function run(
  profile: ClientProfile,
  server: string,
  redirectUri: string,
): Promise<{ walked: Walked; sent: Sent[] }> {
  const walking = walk(profile, { mcpServer: `${server}/mcp`, redirectUri, verifier: newSecret(), sign });
  const sent: Sent[] = [];
  let step = walking.next();
  while (!step.done) {
    const request = step.value;
    const answer = await answerTo(request);
    sent.push({ request, answer });
    step = walking.next(answer);
  }
  return { walked: step.value, sent };
}

function answerTo(request: WalkRequest): Promise<WalkAnswer> {
  if (request.step === "authorization") return answerInBrowser(request);
  return request.step === "refresh" ? refreshTwice(request) : send(request);
}

const claimsOf = (token: string) =>
  JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString());
const ofStep = (sent: Sent[], step: WalkRequest["step"]) =>
  sent.filter(({ request }) => request.step === step);
const only = (sent: Sent[], step: WalkRequest["step"]): Sent => {
  const [first, ...more] = ofStep(sent, step);
  if (!first || more.length > 0) throw new Error(`${step} happened ${ofStep(sent, step).length} times`);
  return first;
};

/** Whether a client asks for all the server lists, and with it to know who the person is. */
const asksWho = ({ authorize }: ClientProfile): boolean => authorize.scope === "catalog";

const named = (scope: string): string[] => scope.split(" ").sort();

/**
 * The scopes that come of a walk: those of the MCP server, and who the person is where that was asked. In local mode
 * what a client registered is known wherever it asks (product decision D30), so one that registers all the server
 * lists also keeps it.
 */
function scopeOf(profile: ClientProfile, server: string, sent: Sent[]): string[] {
  const { registration } = profile;
  if (!server.startsWith("http:") || registration.kind === "document" || registration.scope !== "catalog")
    return named(asksWho(profile) ? "mcp:tools openid profile email" : "mcp:tools");
  const { scope } = JSON.parse(only(sent, "registration").answer.body);
  return named(scope.replace(" offline_access", ""));
}

describe.each(SERVERS)("$mode", ({ url: server, env }) => {
  beforeAll(async () => {
    t = await testContext({ env, fetchPublic });
    c = connect(t);
    person = await c.signIn();
  });

  const trips = clientProfiles.flatMap((profile) =>
    profile.redirectUris.map((redirectUri) => ({ profile, redirectUri, name: profile.name })),
  );

  it.each(trips)("$name connects, sent back to $redirectUri", async ({ profile, redirectUri }) => {
    const { walked, sent } = await run(profile, server, redirectUri);
    const { iss, aud, client_id, scope, sub } = claimsOf(walked.accessToken);
    expect({ iss, aud, client_id, scope: named(scope), sub }).toEqual({
      iss: server,
      aud: `${server}/mcp`,
      client_id: walked.clientId,
      scope: scopeOf(profile, server, sent),
      sub: `user:${person.user.id}`,
    });
    expect(ofStep(sent, "call").map(({ answer }) => answer.status)).toEqual([200, 200]);
  });

  describe.each(clientProfiles)("$name", (profile) => {
    let walked: Walked;
    let sent: Sent[];
    beforeAll(async () => {
      ({ walked, sent } = await run(profile, server, profile.redirectUris[0] ?? ""));
    });

    it("finds every discovery document it asks for (Q1), open to scripts (Q7), with one issuer (Q3)", () => {
      const found = ofStep(sent, "discovery").map(({ request, answer }) => ({
        path: new URL(request.url).pathname,
        status: answer.status,
        type: answer.headers.get("content-type"),
        cors: answer.headers.get("access-control-allow-origin"),
      }));
      expect(found).toEqual(
        profile.discovery.map(({ path }) => ({
          path: path.replace("{path}", "/mcp"),
          status: 200,
          type: "application/json",
          cors: "*",
        })),
      );
      const issuers = ofStep(sent, "discovery").flatMap(({ answer }) => {
        const body = JSON.parse(answer.body);
        return body.issuer ?? body.authorization_servers;
      });
      expect(new Set(issuers)).toEqual(new Set([server]));
    });

    it("is told what to ask for by a 401 without an error code (Q8)", () => {
      const { status, headers } = only(sent, "challenge").answer;
      expect(status).toBe(401);
      expect(headers.get("www-authenticate")).toBe(
        `Bearer resource_metadata="${server}/.well-known/oauth-protected-resource/mcp", scope="mcp:tools"`,
      );
    });

    it("is registered as what it said it is (Q11, Q12, Q13)", () => {
      const { registration } = profile;
      if (registration.kind === "document") {
        expect(ofStep(sent, "registration")).toEqual([]);
        expect(walked.clientId).toBe(registration.clientId);
        return;
      }
      const answer = JSON.parse(only(sent, "registration").answer.body);
      const {
        client_name,
        redirect_uris,
        token_endpoint_auth_method = "client_secret_basic",
      } = registration.metadata;
      expect(answer).toMatchObject({ client_name, redirect_uris, token_endpoint_auth_method });
      expect(answer.grant_types).toEqual(["authorization_code", "refresh_token"]);
      expect("client_secret" in answer).toBe(token_endpoint_auth_method !== "none");
    });

    it("gets its state back unchanged and the issuer beside the code (Q4, Q35)", () => {
      const location = new URL(only(sent, "authorization").answer.headers.get("location") ?? "");
      expect(location.searchParams.get("state")).toBe(profile.authorize.state);
      expect(location.searchParams.getAll("iss")).toEqual([server]);
      expect([...location.searchParams.keys()].sort()).toEqual(["code", "iss", "state"]);
    });

    it("gets tokens it can keep, from code and from refresh alike (Q30, Q38)", () => {
      for (const step of ["code", "refresh"] as const) {
        const { status, headers, body } = only(sent, step).answer;
        expect(status).toBe(200);
        expect(headers.get("cache-control")).toBe("no-store");
        const { scope, ...answer } = JSON.parse(body);
        expect(named(scope)).toEqual(scopeOf(profile, server, sent));
        expect(answer).toEqual({
          access_token: expect.any(String),
          token_type: "Bearer",
          expires_in: 3600,
          refresh_token: expect.stringMatching(/^rt_/),
          refresh_token_timeout: 2_592_000,
          authorization_expires_in: 7_776_000,
          ...(asksWho(profile) && { id_token: expect.any(String) }),
        });
      }
    });

    it("loses its tokens when it brings back a refresh token after the overlap (Q36, Q37)", async () => {
      const { request } = only(sent, "refresh");
      t.advance(121);
      const replayed = await send(signedAnew(request));
      expect({ status: replayed.status, error: JSON.parse(replayed.body).error }).toEqual({
        status: 400,
        error: "invalid_grant",
      });
      const call = ofStep(sent, "call").at(-1)?.request;
      expect(call && (await send(call)).status).toBe(401);
    });
  });
});

describe("what clients ask for beyond what there is", () => {
  beforeAll(async () => {
    t = await testContext({ env: CROWD });
    c = connect(t);
  });

  const mcp = "http://localhost:8000/mcp";

  it.each([
    ["openid profile email offline_access mcp:tools", "mcp:tools openid profile email"],
    ["mcp:tools nonsense:write", "mcp:tools"],
    ["openid", "mcp:tools openid"],
    ["profile email", "mcp:tools"],
    ["offline_access", "mcp:tools"],
  ])("Q32: scope=%s comes to what the resource has, and who the person is: %s", async (scope, granted) => {
    const app = await c.registerPublic();
    expect((await c.tokensFor(app, { resource: mcp, scope })).scope).toBe(granted);
  });

  it("Q32: with no scope known at all, the app is told those that are", async () => {
    const app = await c.registerPublic();
    const answer = (await c.answerFor(app, { resource: mcp, scope: "nonsense:write" })).searchParams;
    expect(answer.get("error")).toBe("invalid_scope");
    expect(answer.get("error_description")).toContain("Ask for some of: mcp:tools.");
  });

  it("Q31: the person may leave out some of it, and the answer says what is left", async () => {
    const app = await c.registerPublic({ scope: "notes:read notes:write" });
    const asked = { resource: "https://notes.example.com/mcp", scope: "notes:read notes:write" };
    expect((await c.tokensFor(app, asked, { allow: ["notes:read"] })).scope).toBe("notes:read");
  });

  it("Q35: unknown parameters are ignored, and 4 KB of state come back as they went", async () => {
    const state = `${"ä%2B+/=&~".repeat(200)}`;
    const answer = await c.answerFor(await c.registerPublic(), { state, utm_source: "app", nonce: "n" });
    expect(answer.searchParams.get("state")).toBe(state);
  });
});
