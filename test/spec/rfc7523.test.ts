import { count, eq } from "drizzle-orm";
import * as oauth from "oauth4webapi";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { accessTokens } from "@/db/schema/tokens";
import { GRANT_TYPES } from "@/lib/oauth/token-types";
import { createTrustedIssuer } from "@/lib/services/trusted-issuers";
import { type App, tokensOf } from "@/test/support/client";
import { twoInstances, unique } from "@/test/support/context";
import { unchanged } from "@/test/support/digest";
import { type ForeignIssuer, foreignIssuer, newForeignKey, signAs } from "@/test/support/foreign-issuer";
import { listening } from "@/test/support/listening";
import { operate, PUBLIC_ENV, type PublicServer } from "@/test/support/public-server";
import { claimsOf, ownSigner } from "@/test/support/signer";
import { createRedeemer, type Partner, partner, redeem, refusal } from "@/test/support/trusted-assertions";

const ISSUER = "https://auth.example.com";
const ID_JAG = { typ: "oauth-id-jag+jwt" };

let s: PublicServer;
let second: PublicServer;
let closeSecond: () => Promise<void>;
let corp: Partner;
let app: App;
let resource: string;

beforeAll(async () => {
  const env = { ...PUBLIC_ENV, AUTHGENT_TRUSTED_CHAINING_ISSUERS: ISSUER };
  const [one, two, close] = await twoInstances({ env });
  [s, second, closeSecond] = [operate(one), operate(two), close];
  corp = await partner(s, ["id_jag"]);
  resource = await s.createResource(["read"]);
  app = await createRedeemer(s, { scope: "read" });
});

afterAll(async () => {
  await corp.close();
  await closeSecond();
});

const terms = (more: Record<string, unknown> = {}) => ({ client_id: app.clientId, resource, ...more });
const refused = (assertion: string) => unchanged(s.t, async () => refusal(await redeem(s, app, assertion)));

const INVALID_GRANT = { status: 400, error: "invalid_grant" };
const INVALID_REQUEST = { status: 400, error: "invalid_request" };

const encoded = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");

describe("RFC 7523 §2.1: the request", () => {
  it.each([undefined, ""])("assertion %j is missing", async (assertion) => {
    const answer = () => s.c.token(app, { grant_type: GRANT_TYPES.jwtBearer, assertion });
    expect(await unchanged(s.t, async () => refusal(await answer()))).toEqual(INVALID_REQUEST);
  });

  it("one that is no JWT", async () => {
    expect(await refused("no.jwt")).toEqual(INVALID_REQUEST);
  });

  it("two of them", async () => {
    const assertion = await corp.assertion(terms(), ID_JAG);
    const answer = () =>
      s.c.token(app, { grant_type: GRANT_TYPES.jwtBearer, assertion: [assertion, assertion] });
    expect(await unchanged(s.t, async () => refusal(await answer()))).toEqual(INVALID_REQUEST);
  });
});

describe("RFC 7523 §3: whose word counts", () => {
  it("alg none, with and without a signature", async () => {
    const header = encoded({ ...ID_JAG, alg: "none" });
    const payload = encoded({ iss: corp.issuer, ...corp.claims(terms()) });
    // Without the third part it is no JWS that could be taken apart.
    expect(await refused(`${header}.${payload}.`)).toEqual(INVALID_REQUEST);
    expect(await refused(`${header}.${payload}.AAAA`)).toEqual(INVALID_GRANT);
  });

  it("a signature by another key under the same name", async () => {
    const impostor = await newForeignKey("k1");
    const claims = { iss: corp.issuer, ...corp.claims(terms()) };
    expect(await refused(await signAs(impostor, claims, ID_JAG))).toEqual(INVALID_GRANT);
  });

  it("a key that the assertion brings along", async () => {
    const impostor = await newForeignKey("k1");
    const claims = { iss: corp.issuer, ...corp.claims(terms()) };
    const header = { ...ID_JAG, jwk: impostor.publicJwk };
    expect(await refused(await signAs(impostor, claims, header))).toEqual(INVALID_GRANT);
  });

  it("an issuer nobody trusts is not even asked for its keys", async () => {
    const stranger = await foreignIssuer();
    expect(await refused(await stranger.sign(corp.claims(terms()), ID_JAG))).toEqual(INVALID_GRANT);
    expect(stranger.state.asked).toEqual([]);
    await stranger.close();
  });

  it("our own word, even where the operator named ourselves among the trusted", async () => {
    const { sign } = await ownSigner(s.t.ctx);
    for (const typ of ["oauth-id-jag+jwt", "JWT"]) {
      const own = sign({ iss: ISSUER, ...corp.claims(terms()) }, { typ });
      expect(await refused(own)).toEqual(INVALID_GRANT);
    }
  });

  it("an access token of ours is no assertion", async () => {
    const token = await tokensOf(await redeem(s, app, await corp.assertion(terms(), ID_JAG)));
    expect(await refused(token.access_token)).toEqual(INVALID_GRANT);
  });
});

describe("RFC 7523 §3: an assertion counts once", () => {
  it("of 50 redemptions at once on two instances exactly one is answered with a token", async () => {
    const assertion = await corp.assertion(terms(), ID_JAG);
    const issued = async () => {
      const counted = s.t.ctx.db.select({ issued: count() }).from(accessTokens);
      return (await counted.where(eq(accessTokens.clientId, app.clientId)))[0]?.issued ?? 0;
    };
    const before = await issued();
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, index) => redeem(index % 2 ? s : second, app, assertion)),
    );
    const refusals = await Promise.all(answers.filter(({ status }) => status !== 200).map(refusal));
    expect(refusals).toEqual(Array(49).fill(INVALID_GRANT));
    expect((await issued()) - before).toBe(1);
  });

  it("the same jti of two issuers is two assertions", async () => {
    const other = await partner(s, ["id_jag"]);
    const jti = unique("jti-");
    for (const issuer of [corp, other])
      expect((await redeem(s, app, await issuer.assertion(terms({ jti }), ID_JAG))).status).toBe(200);
    await other.close();
  });
});

describe("interoperability with a strict client (oauth4webapi), over real HTTP", () => {
  const insecure = { [oauth.allowInsecureRequests]: true };
  let server: Awaited<ReturnType<typeof listening>>;
  let as: oauth.AuthorizationServer;
  let client: oauth.Client;
  let idp: ForeignIssuer;

  beforeAll(async () => {
    server = await listening();
    idp = await foreignIssuer();
    const rules = { jwksUri: null, audiences: [], scope: null, workloads: [], status: "active" as const };
    const people = { create: true, allowedDomains: [] };
    const purposes: ("id_jag" | "chaining")[] = ["id_jag", "chaining"];
    const { ctx } = server.t;
    await createTrustedIssuer(ctx, { issuer: idp.issuer, name: "Corp", purposes, people, ...rules }, "test");
    const issuer = new URL(server.url);
    as = await oauth.processDiscoveryResponse(
      issuer,
      await oauth.discoveryRequest(issuer, { algorithm: "oauth2", ...insecure }),
    );
    const metadata = { grant_types: [GRANT_TYPES.jwtBearer], scope: "jobs:run" };
    client = await oauth.processDynamicClientRegistrationResponse(
      await oauth.dynamicClientRegistrationRequest(as, metadata, insecure),
    );
  });

  afterAll(async () => {
    await server.close();
    await idp.close();
  });

  it.each([
    ["ID-JAG", ID_JAG],
    ["a grant of another domain", { typ: "JWT" }],
  ])("%s becomes a token that a resource server takes by the published keys alone", async (_, header) => {
    const audience = `${server.url}/mcp`;
    const iat = Math.floor(server.t.ctx.now().getTime() / 1000);
    const own = {
      sub: "alice",
      aud: as.issuer,
      client_id: client.client_id,
      jti: unique(),
      iat,
      exp: iat + 60,
    };
    const assertion = await idp.sign({ ...own, resource: audience, scope: "jobs:run" }, header);
    const auth = oauth.ClientSecretPost(String(client.client_secret));
    const response = await oauth.genericTokenEndpointRequest(
      as,
      client,
      auth,
      GRANT_TYPES.jwtBearer,
      { assertion },
      insecure,
    );
    const tokens = await oauth.processGenericTokenEndpointResponse(as, client, response);
    expect([tokens.token_type, tokens.scope, tokens.refresh_token]).toEqual([
      "bearer",
      "jobs:run",
      undefined,
    ]);
    const request = new Request(audience, { headers: { authorization: `Bearer ${tokens.access_token}` } });
    const claims = await oauth.validateJwtAccessToken(as, request, audience, insecure);
    expect(claims.sub).toBe(claimsOf(tokens.access_token).sub);
    expect(claims.sub).toMatch(/^user:/);
  });
});
