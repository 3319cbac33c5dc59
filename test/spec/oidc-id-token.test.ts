import { createHash } from "node:crypto";
import { createLocalJWKSet, decodeProtectedHeader, jwtVerify } from "jose";
import { beforeAll, describe, expect, it } from "vitest";
import { upsertProviderUser } from "@/lib/services/users";
import {
  type App,
  approvalOf,
  newBrowser,
  type Person,
  refusalOf,
  type Tokens,
  tokensOf,
} from "@/test/support/client";
import { unique } from "@/test/support/context";
import { keyHolder } from "@/test/support/dpop";
import { type PublicServer, publicServer } from "@/test/support/public-server";
import { claimsOf } from "@/test/support/signer";

const ISSUER = "https://auth.example.com";
const MCP = `${ISSUER}/mcp`;
const CORP = "https://id.corp.example";
const OPEN = "https://id.open.example";

/** One provider that is believed with verified addresses of its own domain, and one that is believed with any. */
const PROVIDERS = {
  AUTHGENT_IDP_CORP_ISSUER: CORP,
  AUTHGENT_IDP_CORP_CLIENT_ID: "authgent",
  AUTHGENT_IDP_CORP_CLIENT_SECRET: "a-secret-of-corp",
  AUTHGENT_IDP_CORP_ALLOWED_DOMAINS: "corp.example",
  AUTHGENT_IDP_OPEN_ISSUER: OPEN,
  AUTHGENT_IDP_OPEN_CLIENT_ID: "authgent",
  AUTHGENT_IDP_OPEN_CLIENT_SECRET: "a-secret-of-open",
};

let s: PublicServer;
let app: App;
let ada: Person;

beforeAll(async () => {
  s = await publicServer({ env: { ...PROVIDERS, AUTHGENT_SCOPES_SUPPORTED: "openid email server:stats" } });
  app = await s.createApp();
  ada = await s.c.signIn();
});

/** The answer to an app that asks a person, who allows all of it unless told otherwise. */
const signedIn = async (params: Record<string, string>, by = {}, as = app): Promise<Tokens> =>
  s.c.tokensFor(as, params, { person: ada, ...by });

const idTokenOf = ({ id_token }: Tokens): string => {
  if (!id_token) throw new Error("there is no ID token");
  return id_token;
};

/** What a client reads of an ID token, by the published keys. */
async function verified(idToken: string, as = app) {
  const jwks = createLocalJWKSet(await s.t.ctx.keys.jwks());
  const expected = { issuer: ISSUER, audience: as.clientId, currentDate: s.t.ctx.now() };
  return (await jwtVerify(idToken, jwks, expected)).payload;
}

const names = (scope: string): string[] => scope.split(" ").sort();

describe("OpenID Connect Core §3.1: an app signs a person in", () => {
  it("§2, §3.1.3.3: the ID token stands beside the access token and says who, for whom, when and how", async () => {
    const answer = await signedIn({ scope: "openid profile email", nonce: "n-0S6_WzA2Mj" });
    const idToken = idTokenOf(answer);
    expect(decodeProtectedHeader(idToken)).toEqual({ alg: "ES256", typ: "JWT", kid: expect.any(String) });
    const { iat, exp, auth_time, ...claims } = await verified(idToken);
    expect(claims).toEqual({
      iss: ISSUER,
      sub: `user:${ada.user.id}`,
      aud: app.clientId,
      amr: ["pwd"],
      acr: "urn:authgent:acr:sign-in",
      nonce: "n-0S6_WzA2Mj",
      at_hash: expect.any(String),
      family: expect.stringMatching(/^[0-9a-f-]{36}$/),
      name: "Ada",
      email: ada.user.email,
      email_verified: true,
    });
    expect([Number(exp) - Number(iat), Number(auth_time) <= Number(iat)]).toEqual([3600, true]);
    expect(claims.sub).toBe(claimsOf(answer.access_token).sub);
  });

  it("§3.1.3.6: at_hash is the left half of the hash of the access token", async () => {
    const answer = await signedIn({ scope: "openid" });
    const digest = createHash("sha256").update(answer.access_token).digest();
    expect(claimsOf(idTokenOf(answer)).at_hash).toBe(digest.subarray(0, 16).toString("base64url"));
  });

  it.each([
    ["of any characters", "ä %2B+/=&~"],
    ["of a space", " "],
    ["of 4 KB", "n".repeat(4096)],
  ])("§2: a nonce %s comes back as it went", async (_what, nonce) => {
    expect(claimsOf(idTokenOf(await signedIn({ scope: "openid", nonce }))).nonce).toBe(nonce);
  });

  it("§2: without nonce there is none", async () => {
    expect(claimsOf(idTokenOf(await signedIn({ scope: "openid" })))).not.toHaveProperty("nonce");
  });

  it.each([
    ["openid", {}],
    ["openid profile", { name: "Ada" }],
    ["openid email", { email: expect.stringMatching(/@example\.com$/), email_verified: true }],
  ])("§5.4: scope=%s tells %j", async (scope, told) => {
    const answer = await signedIn({ scope }, { person: await s.c.signIn() });
    const { name, email, email_verified } = claimsOf(idTokenOf(answer));
    const all = Object.entries({ name, email, email_verified }).filter(([, value]) => value !== undefined);
    expect(Object.fromEntries(all)).toEqual(told);
    expect(names(answer.scope)).toEqual(names(scope));
  });

  it("a sign-in asks for nothing but who somebody is: the token is for this server, without its scopes", async () => {
    const person = await s.c.signIn();
    const answer = await signedIn({ scope: "openid profile offline_access" }, { person });
    expect([names(answer.scope), claimsOf(answer.access_token).aud]).toEqual([["openid", "profile"], ISSUER]);
  });

  it("what is asked for beside it is asked for too, and what nobody knows is dropped (D21)", async () => {
    const person = await s.c.signIn();
    const answer = await signedIn({ scope: "openid account:read nobody:knows" }, { person });
    expect(names(answer.scope)).toEqual(["account:read", "openid"]);
  });

  it("beside a resource, the app gets what the resource has and who the person is (Q32)", async () => {
    const answer = await signedIn({ scope: "openid email", resource: MCP });
    expect([names(answer.scope), claimsOf(answer.access_token).aud]).toEqual([
      ["email", "mcp:tools", "openid"],
      MCP,
    ]);
    expect((await verified(idTokenOf(answer))).email).toBe(ada.user.email);
  });

  it.each([{ scope: "profile email" }, { scope: "account:read" }, {}])(
    "§3.1.2.1: without openid %j is no sign-in",
    async (params) => {
      const answer = await signedIn(params as Record<string, string>, { person: await s.c.signIn() });
      expect([answer.scope.includes("account:read"), answer.id_token]).toEqual([true, undefined]);
      expect(answer.scope).not.toContain("email");
    },
  );

  it("§3.1.2.1: auth_time is that of the sign-in that max_age asked for", async () => {
    const person = await s.c.signIn();
    s.t.advance(50);
    const answer = await signedIn({ scope: "openid", max_age: "60" }, { person });
    const { auth_time, iat } = claimsOf(idTokenOf(answer));
    expect(Number(iat) - Number(auth_time)).toBe(50);
  });

  it("§3.1.2.1: prompt=none signs in whom the app knows, and asks for no more than that", async () => {
    const from = { person: await s.c.signIn(), browser: newBrowser() };
    await signedIn({ scope: "openid profile" }, from);
    const silently = async (scope: string) => {
      const request = s.c.requestOf(app, { scope, prompt: "none" });
      const location = (await s.c.authorize(request, from)).headers.get("location") ?? "";
      const { searchParams } = new URL(location);
      return searchParams.has("code") ? "code" : searchParams.get("error");
    };
    expect([await silently("openid profile"), await silently("openid email")]).toEqual([
      "code",
      "consent_required",
    ]);
  });

  it("RFC 9449 §5: an access token that is bound to a key changes nothing of the ID token", async () => {
    const key = await keyHolder(s);
    const answer = await key.tokensFor(app, { scope: "openid" }, { person: ada });
    expect(answer.token_type).toBe("DPoP");
    expect(await verified(idTokenOf(answer))).not.toHaveProperty("cnf");
  });
});

describe("OpenID Connect Core §12: refreshing", () => {
  it("§12.2: the new ID token is of the same person and sign-in, and has no nonce", async () => {
    const first = await signedIn({ scope: "openid email", nonce: "once" });
    s.t.advance(30);
    const second = await tokensOf(await s.c.refresh(app, first.refresh_token));
    const [before, after] = [claimsOf(idTokenOf(first)), claimsOf(idTokenOf(second))];
    for (const name of ["iss", "sub", "aud", "auth_time", "amr", "email", "family"])
      expect(after[name]).toEqual(before[name]);
    expect([Number(after.iat) - Number(before.iat), after.nonce]).toEqual([30, undefined]);
    const digest = createHash("sha256").update(second.access_token).digest();
    expect(after.at_hash).toBe(digest.subarray(0, 16).toString("base64url"));
  });

  it("a repeat within the overlap has the same ID token (D10)", async () => {
    const { refresh_token } = await signedIn({ scope: "openid" });
    const [one, other] = [await s.c.refresh(app, refresh_token), await s.c.refresh(app, refresh_token)];
    expect(await other.text()).toBe(await one.text());
  });

  it("with a narrower scope that leaves openid out there is none", async () => {
    const { refresh_token } = await signedIn({ scope: "openid account:read" });
    const answer = await tokensOf(await s.c.refresh(app, refresh_token, { scope: "account:read" }));
    expect([answer.scope, answer.id_token]).toEqual(["account:read", undefined]);
  });

  it("says what is so now: a person with a new name has it in the next ID token", async () => {
    const identity = {
      issuer: CORP,
      sub: unique("bob-"),
      email: `${unique("bob")}@corp.example`,
      name: "Bob",
    };
    const user = await upsertProviderUser(s.t.ctx, identity);
    const person = { user, session: await s.c.signInAgain(user) };
    const first = await signedIn({ scope: "openid profile" }, { person });
    await upsertProviderUser(s.t.ctx, { ...identity, name: "Robert" });
    const second = await tokensOf(await s.c.refresh(app, first.refresh_token));
    expect([claimsOf(idTokenOf(first)).name, claimsOf(idTokenOf(second)).name]).toEqual(["Bob", "Robert"]);
  });
});

describe("OpenID Connect Core §5.1: whose word an address is", () => {
  async function claimsOfProviderUser(
    issuer: string,
    { email, name }: { email: string; name: string },
    scope: string,
  ) {
    const user = await upsertProviderUser(s.t.ctx, { issuer, sub: unique("sub-"), email, name });
    const person = { user, session: await s.c.signInAgain(user) };
    const {
      name: told,
      email: address,
      email_verified,
    } = claimsOf(idTokenOf(await signedIn({ scope }, { person })));
    return { name: told, email: address, email_verified };
  }

  it("a provider that must verify its addresses has vouched for this one", async () => {
    const email = `${unique("eve")}@corp.example`;
    expect(await claimsOfProviderUser(CORP, { email, name: "Eve" }, "openid email")).toEqual({
      email,
      email_verified: true,
    });
  });

  it("one that need not has not", async () => {
    const email = `${unique("eve")}@corp.example`;
    expect(await claimsOfProviderUser(OPEN, { email, name: "Eve" }, "openid email")).toEqual({
      email,
      email_verified: false,
    });
  });

  it("who has no address has no claim of one", async () => {
    expect(await claimsOfProviderUser(CORP, { email: "", name: "Eve" }, "openid email profile")).toEqual({
      name: "Eve",
    });
  });

  it("who is called by their address keeps it where only the name was asked for", async () => {
    const email = `${unique("eve")}@corp.example`;
    expect(await claimsOfProviderUser(CORP, { email, name: email }, "openid profile")).toEqual({});
  });
});

describe("who may know who somebody is", () => {
  const answerFor = async (as: App, params: Record<string, string>) =>
    (await s.c.answerFor(as, params, { person: await s.c.signIn() })).searchParams;

  it("an app registered for other scopes may not sign people in, and is told what to ask for", async () => {
    const limited = await s.createApp({ scope: "account:read" });
    const answer = await answerFor(limited, { scope: "openid profile" });
    expect([answer.get("error"), answer.get("error_description")]).toEqual([
      "invalid_scope",
      "This app was not registered to sign people in. Ask the operator to add openid to its scope.",
    ]);
    expect(names((await signedIn({ scope: "openid account:read" }, {}, limited)).scope)).toEqual([
      "account:read",
    ]);
  });

  it("an app registered to sign people in learns what it was registered for, and may do nothing else", async () => {
    const limited = await s.createApp({ scope: "openid profile" });
    const asked = { scope: "openid profile email account:read" };
    const answer = await signedIn(asked, { person: await s.c.signIn() }, limited);
    expect(names(answer.scope)).toEqual(["openid", "profile"]);
    expect(await verified(idTokenOf(answer), limited)).not.toHaveProperty("email");
  });

  it("a client that registers itself keeps the scopes of a sign-in", async () => {
    const metadata = { redirect_uris: ["http://127.0.0.1/cb"], scope: "openid email nobody:knows" };
    const answer = await (await s.c.json("/register", metadata)).json();
    expect(answer.scope).toBe("openid email");
  });

  it("no client has them for itself, whatever it was registered for", async () => {
    const service = await s.createService({ scope: "openid email server:stats" });
    const ask = (scope?: string) => s.c.token(service, { grant_type: "client_credentials", scope });
    expect((await tokensOf(await ask())).scope).toBe("server:stats");
    expect(await refusalOf(await ask("openid server:stats"))).toEqual({
      status: 400,
      error: "invalid_scope",
    });
  });

  it("no exchange hands them on", async () => {
    const exchanger = await s.createApp({
      token_endpoint_auth_method: "client_secret_basic",
      grant_types: ["authorization_code", "urn:ietf:params:oauth:grant-type:token-exchange"],
    });
    const { access_token } = await signedIn({ scope: "openid account:read" }, {}, exchanger);
    const exchange = (fields: Record<string, string>) =>
      s.c.token(exchanger, {
        grant_type: "urn:ietf:params:oauth:grant-type:token-exchange",
        subject_token: access_token,
        ...fields,
      });
    expect((await tokensOf(await exchange({}))).scope).toBe("account:read");
    expect(await refusalOf(await exchange({ scope: "openid" }))).toEqual({
      status: 400,
      error: "invalid_scope",
    });
  });

  it("a resource's own scope of that name is the resource's, and says nothing of the person (D30)", async () => {
    const resource = await s.createResource(["email", "files"]);
    const answer = await signedIn({ scope: "openid email", resource }, { person: await s.c.signIn() });
    expect(names(answer.scope)).toEqual(["email", "openid"]);
    expect(await verified(idTokenOf(answer))).not.toHaveProperty("email");
  });
});

describe("the person's answer", () => {
  it("without openid gives nothing of who they are, whatever else is ticked", async () => {
    const person = await s.c.signIn();
    const allow = ["profile", "email", "account:read"];
    const answer = await signedIn({ scope: "openid profile email account:read" }, { person, allow });
    expect([answer.scope, answer.id_token]).toEqual(["account:read", undefined]);
  });

  it("to a sign-in without openid is no answer", async () => {
    const from = { person: await s.c.signIn(), browser: newBrowser() };
    const id = approvalOf(await s.c.authorize(s.c.requestOf(app, { scope: "openid profile" }), from)) ?? "";
    const response = await s.c.consent(id, { ...from, scope: ["profile"] });
    expect(response.headers.get("location")).toBe(`/approve/${id}?nothing-ticked`);
  });

  it("taken back in part, takes the rest with openid, and the next refresh has no ID token", async () => {
    const from = { person: await s.c.signIn(), browser: newBrowser() };
    const { refresh_token } = await signedIn({ scope: "openid profile account:read" }, from);
    const [row] = await s.t.ctx.db.query.grants.findMany({
      where: (grant, { eq }) => eq(grant.userId, from.person.user.id),
    });
    const kept = { scope: ["profile", "account:read"] };
    const response = await s.c.post(`/me/grants/${row?.id}/narrow`, "account", kept, from);
    expect(response.headers.get("location")).toBe("/me?done=narrowed");
    const answer = await tokensOf(await s.c.refresh(app, refresh_token));
    expect([answer.scope, answer.id_token]).toEqual(["account:read", undefined]);
  });
});

describe("OpenID Connect Dynamic Client Registration §2", () => {
  it("says what ID tokens are really made with, to a client that asked for something", async () => {
    const redirect_uris = ["http://127.0.0.1/cb"];
    const asked = { redirect_uris, id_token_signed_response_alg: "RS256", subject_type: "pairwise" };
    const answer = await (await s.c.json("/register", asked)).json();
    expect([answer.id_token_signed_response_alg, answer.subject_type]).toEqual(["ES256", "public"]);
    const plain = await (await s.c.json("/register", { redirect_uris })).json();
    expect([plain.id_token_signed_response_alg, plain.subject_type]).toEqual([undefined, undefined]);
  });
});
