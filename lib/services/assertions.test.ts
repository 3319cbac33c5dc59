import { generateKeyPairSync, randomUUID } from "node:crypto";
import { CompactSign } from "jose";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type ErrorCode, isOAuthError } from "@/lib/errors";
import type { AssertionPurpose } from "@/lib/oauth/assertion";
import { publicServer } from "@/test/support/client";
import { type TestContext, testContext } from "@/test/support/context";
import { type ForeignIssuer, foreignIssuer, newForeignKey, signAs } from "@/test/support/foreign-issuer";
import { identityOf, matchWorkload, verifyAssertion } from "./assertions";
import { createTrustedIssuer, removeTrustedIssuer, updateTrustedIssuer } from "./trusted-issuers";

type Json = Record<string, unknown>;

const US = "https://auth.example.com";
const ALL: readonly AssertionPurpose[] = ["id_jag", "chaining", "workload", "id_token"];
const TERMS = {
  name: "Theirs",
  purposes: ["workload"] as AssertionPurpose[],
  jwksUri: null,
  audiences: [],
  scope: null,
  people: { create: true, allowedDomains: [] },
  workloads: [],
  status: "active" as const,
};

let t: TestContext;
const theirs = {} as Record<AssertionPurpose, ForeignIssuer>;

beforeAll(async () => {
  t = await testContext({ env: publicServer });
  for (const purpose of ALL) {
    theirs[purpose] = await foreignIssuer();
    const audiences = purpose === "id_token" ? ["their-audience"] : [];
    await createTrustedIssuer(
      t.ctx,
      { ...TERMS, issuer: theirs[purpose].issuer, purposes: [purpose], audiences },
      "test",
    );
  }
});

afterAll(() => Promise.all(Object.values(theirs).map(({ close }) => close())));

const now = () => Math.floor(t.ctx.now().getTime() / 1000);
const TYP: Partial<Record<AssertionPurpose, string>> = { id_jag: "oauth-id-jag+jwt" };

/** Claims that are as the profile wants them, but for what is changed. */
const claimsFor = (purpose: AssertionPurpose, changes: Json = {}): Json => ({
  iss: theirs[purpose].issuer,
  sub: "ada",
  aud: purpose === "id_token" ? "their-audience" : US,
  ...(purpose !== "id_token" && { client_id: "their-client" }),
  jti: randomUUID(),
  iat: now(),
  exp: now() + 300,
  ...changes,
});

const signed = (purpose: AssertionPurpose, changes: Json = {}, header: Json = {}) =>
  signAs(theirs[purpose].state.key, claimsFor(purpose, changes), {
    typ: TYP[purpose] ?? "JWT",
    ...header,
  });

type Options = { purposes?: readonly AssertionPurpose[]; code?: ErrorCode; clientId?: string };

const verify = (token: string, { purposes = ALL, code = "invalid_grant", clientId }: Options = {}) =>
  verifyAssertion(t.ctx, token, { purposes, code, clientId });

/** The code a token is refused with, and why. */
async function refused(token: string, options: Options = {}): Promise<unknown> {
  try {
    await verify(token, options);
    return "accepted";
  } catch (error) {
    if (!isOAuthError(error)) throw error;
    return [error.code, error.options.reason];
  }
}

/** Lists within one another. */
const deep = (levels: number): Json => ({ a: JSON.parse("[".repeat(levels) + "]".repeat(levels)) });

const segment = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");

describe("RFC 7523 §3: assertions that are as their profile says", () => {
  it.each(ALL)("%s: accepted as what its issuer is trusted for", async (purpose) => {
    const verified = await verify(await signed(purpose));
    expect([verified.purpose, verified.issuer.issuer]).toEqual([purpose, theirs[purpose].issuer]);
    expect(verified.claims).toMatchObject(claimsFor(purpose, { jti: verified.claims.jti }));
    expect(verified.header).toMatchObject({ kid: "k1" });
  });

  it.each(["RS256", "PS256", "Ed25519", "EdDSA"])("%s is verified with a key for it", async (alg) => {
    const { state } = theirs.workload;
    const key = await newForeignKey(`k-${alg}`, alg);
    state.keys = [...state.keys, key.publicJwk];
    t.advance(10);
    expect((await verify(await signAs(key, claimsFor("workload")))).claims.sub).toBe("ada");
  });

  it("a token without typ or with jwt is one of no special kind", async () => {
    for (const typ of [undefined, "jwt"])
      expect((await verify(await signed("workload", {}, { typ }))).purpose).toBe("workload");
  });

  it("a workload's aud may end in a slash; a chaining grant's may be the token endpoint; neither goes for an ID-JAG", async () => {
    const reached = async (purpose: AssertionPurpose, aud: string) => refused(await signed(purpose, { aud }));
    expect(await reached("workload", `${US}/`)).toBe("accepted");
    expect(await reached("chaining", `${US}/token`)).toBe("accepted");
    const other = ["invalid_grant", "aud is another"];
    expect(await reached("workload", `${US}/token`)).toEqual(other);
    expect(await reached("chaining", `${US}/`)).toEqual(other);
    expect(await reached("id_jag", `${US}/`)).toEqual(other);
    expect(await reached("id_jag", `${US}/token`)).toEqual(other);
  });

  it("an ID token is for an audience of its issuer, the one of the settings, or the client that acts", async () => {
    const reached = async (aud: string, clientId?: string) =>
      refused(await signed("id_token", { aud }), clientId ? { clientId } : {});
    expect(await reached("their-audience")).toBe("accepted");
    expect(await reached(US)).toBe("accepted");
    expect(await reached("app_1", "app_1")).toBe("accepted");
    expect(await reached("app_1", "app_2")).toEqual(["invalid_grant", "aud is another"]);
    expect(await reached("app_1")).toEqual(["invalid_grant", "aud is another"]);
  });

  it("a list of one audience is accepted", async () => {
    expect(await refused(await signed("id_jag", { aud: [US] }))).toBe("accepted");
  });

  it("FAPI 2.0 §5.3.2.1: a clock that is ten seconds ahead is forgiven, eleven are not", async () => {
    expect(await refused(await signed("id_jag", { iat: now() + 10 }))).toBe("accepted");
    expect(await refused(await signed("id_jag", { iat: now() + 11 }))).toEqual([
      "invalid_grant",
      "iat is in the future",
    ]);
  });

  it("SPIFFE JWT-SVID §3: without iss the trust domain of sub is the issuer", async () => {
    const domain = "spiffe://td.example";
    const { jwksUri } = theirs.workload;
    await createTrustedIssuer(t.ctx, { ...TERMS, issuer: domain, jwksUri }, "test");
    const svid = (changes: Json) =>
      signed("workload", { iss: undefined, sub: `${domain}/agent`, ...changes });
    expect((await verify(await svid({}))).issuer.issuer).toBe(domain);
    // Some issuers of SVIDs also name themselves.
    expect((await verify(await svid({ iss: "https://spire.internal" }))).issuer.issuer).toBe(domain);
    const unknown = ["invalid_grant", "the issuer is not registered"];
    expect(await refused(await svid({ sub: "spiffe://other.example/agent" }))).toEqual(unknown);
    expect(await refused(await svid({ sub: domain }))).toEqual(unknown);
  });
});

describe("108: what is refused, in the order of the checks", () => {
  it.each([
    ["no JWT", "nothing", "not a compact JWS"],
    ["an empty string", "", "not a compact JWS"],
    ["a header that is no JSON", `bm90.${segment({})}.AAAA`, "the header is not a JSON object"],
    [
      "a payload that is no JSON",
      `${segment({ alg: "ES256" })}.bm90.AAAA`,
      "the payload is not a JSON object",
    ],
    [
      "a payload that is a list",
      `${segment({ alg: "ES256" })}.${segment([])}.AAAA`,
      "the payload is not a JSON object",
    ],
    ...[{ iss: "a\0" }, { sub: "\ud800" }, { act: { sub: "a\udfff" } }, { "\ud800": 1 }, deep(501)].map(
      (claims) => [
        `${JSON.stringify(claims).slice(0, 30)} in it`,
        `${segment({ alg: "ES256" })}.${segment(claims)}.AAAA`,
        "the payload has a NUL, half a character or too many levels",
      ],
    ),
    ["an extension", `${segment({ alg: "ES256", crit: ["x"] })}.${segment({})}.AAAA`, "the header has crit"],
  ])("%s cannot be decoded: invalid_request, whatever the caller's code", async (_what, token, reason) => {
    expect(await refused(token)).toEqual(["invalid_request", reason]);
  });

  it("refusals carry the caller's code", async () => {
    const token = await signed("id_jag", { sub: undefined });
    expect(await refused(token, { code: "invalid_request" })).toEqual(["invalid_request", "sub is missing"]);
  });

  it.each([
    "at+jwt",
    "application/at+jwt",
    "txntoken+jwt",
    "dpop+jwt",
    "logout+jwt",
    "secevent+jwt",
    "client-authentication+jwt",
    "JOSE",
    7,
    null,
  ])("typ %s is never an assertion", async (typ) => {
    expect(await refused(await signed("workload", {}, { typ }))).toEqual(["invalid_grant", "typ is another"]);
  });

  it("an ID-JAG is typed, and nothing else is typed as one", async () => {
    const untyped = await signed("id_jag", {}, { typ: "JWT" });
    expect(await refused(untyped)).toEqual(["invalid_grant", "the issuer is trusted for something else"]);
    expect(await refused(untyped, { purposes: ["id_jag"] })).toEqual(["invalid_grant", "typ is another"]);
    for (const purpose of ["chaining", "workload", "id_token"] as const) {
      const typed = await signed(purpose, {}, { typ: "oauth-id-jag+jwt" });
      expect(await refused(typed)).toEqual(["invalid_grant", "the issuer is trusted for something else"]);
      expect(await refused(typed, { purposes: [purpose] })).toEqual(["invalid_grant", "typ is another"]);
    }
  });

  it("alg none is refused, signed by nobody or not", async () => {
    const bare = `${segment({ alg: "none", typ: "JWT" })}.${segment(claimsFor("workload"))}.AAAA`;
    expect(await refused(bare)).toEqual(["invalid_grant", "the algorithm is not one of ours"]);
    expect(await refused(bare.replace(/AAAA$/, ""))).toEqual(["invalid_request", "not a compact JWS"]);
  });

  it("HS256 with the public key as its secret is refused", async () => {
    const secret = new TextEncoder().encode(JSON.stringify(theirs.workload.state.key.publicJwk));
    const token = await new CompactSign(Buffer.from(JSON.stringify(claimsFor("workload"))))
      .setProtectedHeader({ alg: "HS256", kid: "k1", typ: "JWT" })
      .sign(secret);
    expect(await refused(token)).toEqual(["invalid_grant", "the algorithm is not one of ours"]);
  });

  it("a key is used with its own algorithm only", async () => {
    const rsa = await newForeignKey("rsa", "RS256");
    const { state } = theirs.workload;
    state.keys = [...state.keys, rsa.publicJwk];
    t.advance(10);
    const [, payload = "", signature = ""] = (await signAs(rsa, claimsFor("workload"))).split(".");
    for (const alg of ["ES256", "PS256"]) {
      const confused = `${segment({ alg, kid: "rsa", typ: "JWT" })}.${payload}.${signature}`;
      expect(await refused(confused)).toEqual(["invalid_grant", "no key of the issuer fits"]);
    }
  });

  it.each(["jwk", "jku", "x5c", "x5u"])("a token that brings its own key as %s is refused", async (name) => {
    const { publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const jwk = publicKey.export({ format: "jwk" });
    const token = await signed("workload", {}, { [name]: name === "jwk" ? jwk : "https://a.example" });
    expect(await refused(token)).toEqual(["invalid_grant", `the header has ${name}`]);
  });

  it.each([undefined, "https://nobody.example", 7])("iss %s is nobody we trust", async (iss) => {
    expect(await refused(await signed("workload", { iss }))).toEqual([
      "invalid_grant",
      "the issuer is not registered",
    ]);
  });

  it("iss is compared to the letter", async () => {
    for (const iss of [`${theirs.workload.issuer}/`, theirs.workload.issuer.replace("http", "HTTP")])
      expect(await refused(await signed("workload", { iss }))).toEqual([
        "invalid_grant",
        "the issuer is not registered",
      ]);
  });

  it("an issuer is trusted for its own purposes only, and only while it is active", async () => {
    const own = await foreignIssuer();
    const row = await createTrustedIssuer(t.ctx, { ...TERMS, issuer: own.issuer }, "test");
    const token = () => own.sign(claimsFor("workload", { iss: own.issuer }));
    expect(await refused(await token(), { purposes: ["id_token", "chaining"] })).toEqual([
      "invalid_grant",
      "the issuer is trusted for something else",
    ]);
    expect(await refused(await token())).toBe("accepted");
    await updateTrustedIssuer(t.ctx, row.id, { status: "disabled" }, "test");
    expect(await refused(await token())).toEqual(["invalid_grant", "the issuer is disabled"]);
    await removeTrustedIssuer(t.ctx, row.id, "test");
    expect(await refused(await token())).toEqual(["invalid_grant", "the issuer is not registered"]);
    await own.close();
  });

  it("what an unknown, a disabled and another issuer are told is the same, and whoever signs as another", async () => {
    const said = async (token: string, purposes: readonly AssertionPurpose[]) =>
      verify(token, { purposes }).catch((error) => error.description);
    const strange = await signed("workload", { iss: "https://nobody.example" });
    const other = await signed("workload");
    const forged = await signAs(await newForeignKey("k1"), claimsFor("workload"));
    const unsigned = await signed("workload", {}, { kid: "nobody's" });
    const sentence =
      "Get a new assertion, of an issuer that the operator of this server trusts for this, signed with a key it publishes.";
    expect(await said(strange, ["workload"])).toBe(sentence);
    expect(await said(other, ["chaining"])).toBe(sentence);
    expect(await said(forged, ["workload"])).toBe(sentence);
    expect(await said(unsigned, ["workload"])).toBe(sentence);
  });

  it("a signature of another key with the same kid is refused, and one over other claims", async () => {
    const impostor = await newForeignKey("k1");
    expect(await refused(await signAs(impostor, claimsFor("workload")))).toEqual([
      "invalid_grant",
      "the signature is wrong",
    ]);
    const [header, , signature] = (await signed("workload")).split(".");
    const changed = `${header}.${segment(claimsFor("workload", { sub: "grace" }))}.${signature}`;
    expect(await refused(changed)).toEqual(["invalid_grant", "the signature is wrong"]);
  });

  it("the key of one issuer signs for no other", async () => {
    const token = await signAs(theirs.id_token.state.key, claimsFor("workload"));
    expect(await refused(token)).toEqual(["invalid_grant", "the signature is wrong"]);
  });

  it.each(ALL)("%s: one for somebody else, for several, or for nobody is refused", async (purpose) => {
    const good = claimsFor(purpose).aud;
    const reasons = [];
    for (const aud of ["https://other.example", undefined, [], [good, "https://other.example"], [good, good]])
      reasons.push(await refused(await signed(purpose, { aud })));
    const refusal = (reason: string) => ["invalid_grant", reason];
    expect(reasons).toEqual([
      ...Array(3).fill(refusal("aud is another")),
      ...Array(2).fill(refusal("several audiences")),
    ]);
  });

  it.each(ALL)("%s: times are judged", async (purpose) => {
    const reasonFor = async (changes: Json) => refused(await signed(purpose, changes));
    const refusal = (reason: string) => ["invalid_grant", reason];
    expect(await reasonFor({ exp: undefined })).toEqual(refusal("exp is missing"));
    expect(await reasonFor({ exp: now() - 1 })).toEqual(refusal("expired"));
    expect(await reasonFor({ exp: "4102444800" })).toEqual(refusal("a time is not a number of seconds"));
    expect(await reasonFor({ exp: 1e15 })).toEqual(refusal("a time is not a number of seconds"));
    expect(await reasonFor({ iat: "now" })).toEqual(refusal("a time is not a number of seconds"));
    expect(await reasonFor({ iat: now() + 60 })).toEqual(refusal("iat is in the future"));
    expect(await reasonFor({ nbf: now() + 60 })).toEqual(refusal("nbf is in the future"));
  });

  it("what is redeemed once lives an hour at most", async () => {
    const longer = ["invalid_grant", "lives longer than an hour"];
    const lifetime = async (purpose: AssertionPurpose, seconds: number, iat: number | undefined = now()) =>
      refused(await signed(purpose, { iat, exp: now() + seconds }));
    for (const purpose of ["id_jag", "chaining"] as const) {
      expect(await lifetime(purpose, 3600)).toBe("accepted");
      expect(await lifetime(purpose, 3601)).toEqual(longer);
      expect(await lifetime(purpose, 10, now() - 3600)).toEqual(longer);
    }
    const undated = await signed("chaining", { iat: undefined, exp: now() + 4000 });
    expect(await refused(undated)).toEqual(longer);
    expect(await lifetime("workload", 86_400)).toBe("accepted");
    expect(await lifetime("id_token", 86_400)).toBe("accepted");
  });

  it.each([
    ["id_jag", ["sub", "client_id", "jti", "iat"]],
    ["chaining", ["sub", "jti"]],
    ["workload", ["sub"]],
    ["id_token", ["sub", "iat"]],
  ] as const)("%s: one without one of %s is refused", async (purpose, required) => {
    for (const name of ["sub", "client_id", "jti", "iat"]) {
      const refusal = required.some((one) => one === name)
        ? ["invalid_grant", `${name} is missing`]
        : "accepted";
      expect(await refused(await signed(purpose, { [name]: undefined }))).toEqual(refusal);
    }
    expect(await refused(await signed(purpose, { sub: "" }))).toEqual(["invalid_grant", "sub is missing"]);
  });

  it.each([
    ["sub", "a number", 7],
    ["sub", "longer than an index holds", "é".repeat(513)],
    ["jti", "a number", 7],
    ["jti", "longer than the trail is wide", "j".repeat(1025)],
    ["jti", "with a line break", "a\nb"],
    ["client_id", "a list", ["a"]],
    ["scope", "a list", ["a"]],
  ])("a malformed %s is refused: %s", async (name, _what, value) => {
    expect(await refused(await signed("id_jag", { [name]: value }))).toEqual([
      "invalid_grant",
      `${name} is malformed`,
    ]);
  });
});

describe("OIDC Core §2: what an ID token is not", () => {
  it.each([
    ["scope", ""],
    ["scp", ["mail"]],
    ["client_id", "machine"],
  ])("a plain JWT with %s is a grant or an access token", async (name, value) => {
    expect(await refused(await signed("id_token", { [name]: value }))).toEqual([
      "invalid_grant",
      `an ID token with ${name}`,
    ]);
  });

  it("where the settings trust an issuer for both, its ID tokens are not for the audience of its grants", async () => {
    const both = await foreignIssuer();
    const verifiedFor = async (aud: string, more: Record<string, string> = {}) => {
      const env = {
        ...publicServer,
        AUTHGENT_TRUSTED_OIDC_ISSUERS: both.issuer,
        AUTHGENT_TRUSTED_CHAINING_ISSUERS: both.issuer,
        ...more,
      };
      const { ctx } = await testContext({ env });
      const iat = Math.floor(ctx.now().getTime() / 1000);
      const token = await both.sign({ sub: "ada", aud, iat, exp: iat + 300 });
      const expectations = { purposes: ["id_token"], code: "invalid_grant", clientId: "app" } as const;
      return verifyAssertion(ctx, token, expectations).then(
        ({ purpose }) => purpose,
        (error) => error.options.reason,
      );
    };
    expect(await verifiedFor(US)).toBe("aud is another");
    expect(await verifiedFor(US, { AUTHGENT_TRUSTED_OIDC_AUDIENCE: US })).toBe("aud is another");
    expect(await verifiedFor("app")).toBe("id_token");
    expect(await verifiedFor("ours", { AUTHGENT_TRUSTED_OIDC_AUDIENCE: "ours" })).toBe("id_token");
    await both.close();
  });
});

describe("issuers of the settings", () => {
  it("their slash is forgiven, their table row counts more, and we are never one of them", async () => {
    const theirs = await foreignIssuer();
    const env = {
      ...publicServer,
      AUTHGENT_TRUSTED_OIDC_ISSUERS: `${theirs.issuer}/ ${US}`,
      AUTHGENT_TRUSTED_OIDC_AUDIENCE: "our-app",
      AUTHGENT_TRUSTED_CHAINING_ISSUERS: "https://other.example",
    };
    const { ctx } = await testContext({ env });
    const iat = Math.floor(ctx.now().getTime() / 1000);
    const token = (iss: string) =>
      theirs.sign(claimsFor("id_token", { iss, aud: "our-app", iat, exp: iat + 300 }));
    const verified = async (iss: string) => {
      const expectations = { purposes: ["id_token"], code: "invalid_grant" } as const;
      return verifyAssertion(ctx, await token(iss), expectations).then(
        ({ issuer }) => issuer.issuer,
        (error) => error.options.reason,
      );
    };
    expect(await verified(theirs.issuer)).toBe(theirs.issuer);
    theirs.state.metadata.issuer = `${theirs.issuer}/`;
    expect(await verified(`${theirs.issuer}/`)).toBe(`${theirs.issuer}/`);
    expect(await verified(`${theirs.issuer}//`)).toBe("the issuer is not registered");
    expect(await verified("https://other.example")).toBe("the issuer is trusted for something else");
    expect(await verified(US)).toBe("the issuer is not registered");
    await createTrustedIssuer(ctx, { ...TERMS, issuer: theirs.issuer, status: "disabled" }, "test");
    expect(await verified(theirs.issuer)).toBe("the issuer is disabled");
    expect(await verified(`${theirs.issuer}/`)).toBe("the issuer is not registered");
    await theirs.close();
  });
});

describe("who an assertion speaks of", () => {
  const issuer = { issuer: "https://id.example" } as Parameters<typeof identityOf>[0]["issuer"];
  const GOOGLE = { issuer: "https://accounts.google.com" } as typeof issuer;
  const claims = { sub: "ada", aud: US, exp: 1 };

  it("is the issuer's subject; e-mail and name are for show", () => {
    expect(identityOf({ issuer, claims })).toEqual({
      issuer: "https://id.example",
      sub: "ada",
      verifiedEmail: undefined,
      name: undefined,
    });
    const more = { ...claims, email: "ada@example.com", email_verified: true, name: "Ada" };
    expect(identityOf({ issuer, claims: more })).toMatchObject({
      verifiedEmail: "ada@example.com",
      name: "Ada",
    });
  });

  it("an e-mail that the issuer has not verified, or that is none, is left out", () => {
    for (const email of [
      { email: "ada@example.com", email_verified: undefined },
      { email: "ada@example.com", email_verified: 1 },
      { email: "ada@example.com", email_verified: "false" },
      { email: "ada" },
      { email: 7 },
      { email: "a\u202e@example.com" },
    ])
      expect(
        identityOf({ issuer, claims: { ...claims, email_verified: true, ...email } }).verifiedEmail,
      ).toBe(undefined);
  });

  it("a private Google account is not vouched for by the company its address names", () => {
    const vouched = (more: Json) =>
      identityOf({ issuer: GOOGLE, claims: { ...claims, email_verified: true, ...more } }).verifiedEmail;
    expect(vouched({ email: "ada@corp.example" })).toBe(undefined);
    expect(vouched({ email: "ada@corp.example", hd: "corp.example" })).toBe("ada@corp.example");
    expect(vouched({ email: "ada@gmail.com" })).toBe("ada@gmail.com");
  });

  it("a workload is the client of the first rule that it meets", () => {
    const workloads = [
      { claims: {}, clientId: "nobody" },
      { claims: { sub: "repo:acme/*", environment: "production" }, clientId: "deployer" },
      { claims: { sub: "repo:acme/*" }, clientId: "builder" },
    ];
    const mapped = (more: Json) => matchWorkload({ ...issuer, workloads }, more)?.clientId;
    expect(mapped({ sub: "repo:acme/web", environment: "production" })).toBe("deployer");
    expect(mapped({ sub: "repo:acme/web" })).toBe("builder");
    expect(mapped({ sub: "repo:acme-evil/web" })).toBe(undefined);
    expect(mapped({})).toBe(undefined);
  });
});
