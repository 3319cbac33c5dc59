import * as oauth from "oauth4webapi";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseClientMetadata } from "@/lib/oauth/client-metadata";
import { registerClient } from "@/lib/services/clients";
import { createTrustedIssuer } from "@/lib/services/trusted-issuers";
import { forgetTrustDomains } from "@/test/support/attested";
import { type App, refusalOf, tokensOf } from "@/test/support/client";
import { unique } from "@/test/support/context";
import { unchanged } from "@/test/support/digest";
import { type ForeignIssuer, foreignIssuer, newForeignKey, signAs } from "@/test/support/foreign-issuer";
import { listening } from "@/test/support/listening";
import { operate, type PublicServer, publicServer } from "@/test/support/public-server";
import { claimsOf } from "@/test/support/signer";

const ISSUER = "https://auth.example.com";
const JWT_SPIFFE = "urn:ietf:params:oauth:client-assertion-type:jwt-spiffe";
const INVALID_CLIENT = { status: 401, error: "invalid_client" };
const BAD_METADATA = { status: 400, error: "invalid_client_metadata" };

type Json = Record<string, unknown>;

let s: PublicServer;
/** Where the keys of the trust domain are published: its bundle endpoint. */
let bundle: ForeignIssuer;
let trustDomain: string;
let spiffeId: string;
let service: App;

beforeAll(async () => {
  s = await publicServer();
  bundle = await foreignIssuer();
  trustDomain = await trust();
  spiffeId = `${trustDomain}/ns/prod/indexer`;
  service = await workload(spiffeId);
});
afterAll(async () => {
  await forgetTrustDomains(s);
  await bundle.close();
});

/** A trust domain whose keys the bundle has. */
async function trust(terms: Json = {}): Promise<string> {
  const issuer = `spiffe://${unique()}.example`;
  const body = { issuer, name: "Cluster", purposes: ["client_auth"], jwks_uri: bundle.jwksUri, ...terms };
  const response = await s.c.json("/trusted-issuers", body, s.operator);
  if (response.status !== 201) throw new Error(`not trusted: ${await response.text()}`);
  return issuer;
}

/** A client that is the workloads with this SPIFFE ID, by the operator's word. */
const workload = (spiffe_id: string, more: Json = {}): Promise<App> =>
  s.createService({ token_endpoint_auth_method: "spiffe_jwt", spiffe_id, ...more });

const now = () => Math.floor(s.t.ctx.now().getTime() / 1000);

/** A JWT-SVID as SPIRE issues them, for five minutes; undefined leaves a claim out. */
const svid = (claims: Json = {}, header: Json = {}): Promise<string> =>
  signAs(bundle.state.key, { sub: spiffeId, aud: [ISSUER], exp: now() + 300, iat: now(), ...claims }, header);

const ask = (assertion: string, fields: Record<string, string> = {}) =>
  s.c.form("/token", {
    grant_type: "client_credentials",
    client_assertion_type: JWT_SPIFFE,
    client_assertion: assertion,
    ...fields,
  });
const refused = (assertion: string, fields: Record<string, string> = {}) =>
  unchanged(s.t, async () => refusalOf(await ask(assertion, fields)));

describe("§3.1: client authentication with a JWT-SVID", () => {
  it("§3.1.1: the SPIFFE ID alone says which client it is", async () => {
    const tokens = await tokensOf(await ask(await svid()));
    expect(claimsOf(tokens.access_token).client_id).toBe(service.clientId);
  });

  it("§3.1.2: client_id may say it too, as may the SPIFFE ID in its place", async () => {
    for (const client_id of [service.clientId, spiffeId])
      expect((await ask(await svid(), { client_id })).status).toBe(200);
  });

  it("another client's client_id is refused, also that of a workload of the same trust domain", async () => {
    const other = await workload(`${trustDomain}/ns/prod/other`);
    const unrelated = await s.createService();
    for (const { clientId } of [other, unrelated])
      expect(await refused(await svid(), { client_id: clientId })).toEqual(INVALID_CLIENT);
    expect(await refused(await svid(), { client_id: "app_unknown" })).toEqual(INVALID_CLIENT);
    expect(await refused(await svid(), { client_id: `${trustDomain}/ns/prod/other` })).toEqual(
      INVALID_CLIENT,
    );
  });

  it("two clients with one SPIFFE ID have to say which they are", async () => {
    const shared = `${trustDomain}/shared`;
    const [one, two] = [await workload(shared), await workload(shared)];
    expect(await refused(await svid({ sub: shared }))).toEqual(INVALID_CLIENT);
    for (const { clientId } of [one, two]) {
      const tokens = await tokensOf(await ask(await svid({ sub: shared }), { client_id: clientId }));
      expect(claimsOf(tokens.access_token).client_id).toBe(clientId);
    }
  });

  it.each(["/introspect", "/revoke", "/par"])("%s takes it as well", async (path) => {
    const app = await s.createApp({
      token_endpoint_auth_method: "spiffe_jwt",
      spiffe_id: `${trustDomain}/${unique()}`,
    });
    const known = await s.c.call(`/clients/one?client_id=${app.clientId}`, { headers: s.operator });
    const { spiffe_id: sub } = await known.json();
    const fields = {
      ...s.c.requestOf(app),
      token: "unknown",
      client_assertion_type: JWT_SPIFFE,
      client_assertion: await svid({ sub }),
    };
    expect((await s.c.form(path, fields)).status).toBe(path === "/par" ? 201 : 200);
  });

  it.each(["RS256", "PS256", "ES384"])("%s is verified with a key of the bundle", async (alg) => {
    const key = await newForeignKey(`k-${alg}`, alg);
    const { use: _, ...jwk } = key.publicJwk;
    bundle.state.keys = [...bundle.state.keys, { ...jwk, use: "jwt-svid" }];
    s.t.advance(10);
    const token = await signAs(key, { sub: spiffeId, aud: ISSUER, exp: now() + 300 });
    expect((await ask(token)).status).toBe(200);
  });

  it.each([
    ["no aud", { aud: undefined }, {}],
    ["another aud", { aud: ["https://other.example"] }, {}],
    ["the token endpoint as aud", { aud: `${ISSUER}/token` }, {}],
    ["our issuer with a slash as aud", { aud: `${ISSUER}/` }, {}],
    ["our issuer and another as aud", { aud: [ISSUER, "https://other.example"] }, {}],
    ["no exp", { exp: undefined }, {}],
    ["an exp in words", { exp: "later" }, {}],
    ["an exp that is over", { exp: 1 }, {}],
    ["an exp in a day", { exp: 4e9 }, {}],
    ["an iat in the future", { iat: 4e9 }, {}],
    ["an nbf in the future", { nbf: 4e9 }, {}],
    ["no sub", { sub: undefined }, {}],
    ["a sub that is no SPIFFE ID", { sub: "system:serviceaccount:prod:indexer" }, {}],
    ["another typ", {}, { typ: "at+jwt" }],
  ])("%s is refused", async (_, claims, header) => {
    expect(await refused(await svid(claims, header))).toEqual(INVALID_CLIENT);
  });

  it.each([undefined, "JWT", "JOSE"])("typ %s is one of a JWT-SVID", async (typ) => {
    expect((await ask(await svid({}, { typ }))).status).toBe(200);
  });

  it("what is no JWT, alg none, a MAC and EdDSA are refused", async () => {
    const encoded = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
    const payload = encoded({ sub: spiffeId, aud: ISSUER, exp: now() + 60 });
    const edwards = await newForeignKey("k-ed", "EdDSA");
    const { use: _, ...jwk } = edwards.publicJwk;
    bundle.state.keys = [...bundle.state.keys, { ...jwk, use: "jwt-svid" }];
    s.t.advance(10);
    const tokens = [
      "no.jwt",
      `${encoded({ alg: "none" })}.${payload}.AAAA`,
      `${encoded({ alg: "HS256", kid: "k1" })}.${payload}.AAAA`,
      await signAs(edwards, { sub: spiffeId, aud: ISSUER, exp: now() + 300 }),
    ];
    for (const token of tokens) expect(await refused(token)).toEqual(INVALID_CLIENT);
  });

  it("without a jti it may be used until it ends, as agents of a trust domain hand it out", async () => {
    const token = await svid();
    for (let time = 0; time < 3; time++) expect((await ask(token)).status).toBe(200);
  });

  it("with a jti it counts once", async () => {
    const token = await svid({ jti: unique() });
    expect((await ask(token)).status).toBe(200);
    expect(await refused(token)).toEqual(INVALID_CLIENT);
  });

  it("beside a secret it is one method too many (RFC 6749 §2.3)", async () => {
    const fields = { client_id: service.clientId, client_secret: "sec_x" };
    expect(await refused(await svid(), fields)).toEqual({ status: 400, error: "invalid_request" });
  });

  it.each(["urn:ietf:params:oauth:client-assertion-type:jwt-bearer", "urn:example:other"])(
    "under client_assertion_type %s it is none",
    async (client_assertion_type) => {
      expect(await refused(await svid(), { client_assertion_type })).toEqual(INVALID_CLIENT);
    },
  );

  it("a client that is disabled is refused, in the same words as an unknown one", async () => {
    const [disabledId, unknownId] = [`${trustDomain}/${unique()}`, `${trustDomain}/${unique()}`];
    const disabled = await workload(disabledId);
    await s.setClientStatus(disabled, "disabled");
    const bodies = [];
    for (const sub of [disabledId, unknownId]) bodies.push(await (await ask(await svid({ sub }))).text());
    expect(bodies[0]).toBe(bodies[1]);
    expect(JSON.parse(bodies[0] ?? "").error).toBe("invalid_client");
  });
});

describe("§4: the metadata name the method where a trust domain vouches for clients", () => {
  const methods = async (at: PublicServer) => {
    const metadata = await (await at.c.call("/.well-known/oauth-authorization-server")).json();
    const {
      token_endpoint_auth_methods_supported: token,
      introspection_endpoint_auth_methods_supported: look,
    } = metadata;
    return [
      token.includes("spiffe_jwt"),
      look.includes("spiffe_jwt"),
      metadata.revocation_endpoint_auth_methods_supported.includes("spiffe_jwt"),
    ];
  };

  it("and only there", async () => {
    expect(await methods(s)).toEqual([true, true, true]);
    const { items } = await (await s.c.call("/trusted-issuers", { headers: s.operator })).json();
    const vouching = items.filter(({ purposes }: { purposes: string[] }) => purposes.includes("client_auth"));
    const setStatus = async (status: string) => {
      for (const { id } of vouching)
        await s.c.json(`/trusted-issuers/${id}`, { status }, s.operator, "PATCH");
    };
    await setStatus("disabled");
    expect(await methods(s)).toEqual([false, false, false]);
    await setStatus("active");
    expect(await methods(s)).toEqual([true, true, true]);
  });
});

describe("§5, §5.1: registration", () => {
  it("§5.1: a trailing /* stands for all workloads beneath it, which have to say their client", async () => {
    const fleet = await workload(`${trustDomain}/fleet/*`);
    const named = { client_id: fleet.clientId };
    const beneath = (path: string) => svid({ sub: `${trustDomain}${path}` });
    for (const path of ["/fleet/a", "/fleet/eu/b"])
      expect((await ask(await beneath(path), named)).status).toBe(200);
    for (const path of ["/fleet", "/fleets/a", "/other/fleet/a"])
      expect(await refused(await beneath(path), named)).toEqual(INVALID_CLIENT);
    expect(await refused(await beneath("/fleet/a"))).toEqual(INVALID_CLIENT);
  });

  it("§5.1: the SPIFFE ID is required, has to be one, and the operator sees it again", async () => {
    const register = (spiffe_id: unknown) =>
      s.c.json(
        "/clients",
        {
          client_name: "W",
          grant_types: ["client_credentials"],
          token_endpoint_auth_method: "spiffe_jwt",
          spiffe_id,
        },
        s.operator,
      );
    for (const id of [
      undefined,
      null,
      "",
      "https://example.org/a",
      `${trustDomain}/*`,
      `${trustDomain}/a/../b`,
    ])
      expect(await refusalOf(await register(id))).toEqual(BAD_METADATA);
    const created = await register(`${trustDomain}/${unique()}/*`);
    expect(created.status).toBe(201);
    const { spiffe_id, client_secret } = await created.json();
    expect([spiffe_id.startsWith(trustDomain), client_secret]).toEqual([true, undefined]);
  });

  it("nobody registers itself as a workload: not openly, not by token, not with another method", async () => {
    const server = await listening();
    const { c } = operate(server.t);
    const claim = { redirect_uris: ["http://127.0.0.1/cb"], spiffe_id: spiffeId };
    const refusal = await c.json("/register", { ...claim, token_endpoint_auth_method: "spiffe_jwt" });
    expect(await refusalOf(refusal)).toEqual(BAD_METADATA);
    const aside = await c.json("/register", { ...claim, token_endpoint_auth_method: "none" });
    expect([aside.status, (await aside.json()).spiffe_id]).toEqual([201, undefined]);
    await server.close();

    const byToken = await publicServer({
      env: { AUTHGENT_REGISTRATION_POLICY: "token", AUTHGENT_REGISTRATION_TOKEN: "t".repeat(32) },
    });
    const authorization = `Bearer ${"t".repeat(32)}`;
    const body = { ...claim, token_endpoint_auth_method: "spiffe_jwt" };
    expect(await refusalOf(await byToken.c.json("/register", body, { authorization }))).toEqual(BAD_METADATA);
    const byOperator = await byToken.c.json("/register", body, s.operator);
    expect([byOperator.status]).toEqual([401]);
  });
});

describe("RFC 7592 §2.2: a client that manages its registration", () => {
  /** A client that the operator registered at /register, and what it then makes of that itself. */
  async function registered(metadata: Json) {
    const body = { redirect_uris: ["https://w.example/cb"], ...metadata };
    const response = await s.c.json("/register", body, s.operator);
    expect(response.status).toBe(201);
    const { client_id, registration_access_token: token } = await response.json();
    const authorization = `Bearer ${token}`;
    const replace = (members: Json) =>
      s.c.json(
        `/register/${client_id}`,
        { ...body, client_id, redirect_uris: ["http://127.0.0.1/cb"], ...members },
        { authorization },
        "PUT",
      );
    return { replace };
  }

  it("becomes no workload by its own word, whoever registered it", async () => {
    const { replace } = await registered({ token_endpoint_auth_method: "none" });
    const claim = { token_endpoint_auth_method: "spiffe_jwt", spiffe_id: spiffeId };
    expect(await refusalOf(await replace(claim))).toEqual(BAD_METADATA);
    const aside = await replace({ spiffe_id: spiffeId });
    expect([aside.status, (await aside.json()).spiffe_id]).toEqual([200, undefined]);
  });

  it("keeps the SPIFFE ID it was given, or gives it up for good; it never takes another", async () => {
    const own = { token_endpoint_auth_method: "spiffe_jwt", spiffe_id: `${trustDomain}/${unique()}` };
    const { replace } = await registered(own);
    for (const other of [spiffeId, `${own.spiffe_id}/*`])
      expect(await refusalOf(await replace({ spiffe_id: other }))).toEqual(BAD_METADATA);
    expect((await (await replace({ client_name: "Renamed" })).json()).spiffe_id).toBe(own.spiffe_id);
    expect((await replace({ token_endpoint_auth_method: "none", spiffe_id: undefined })).status).toBe(200);
    expect(await refusalOf(await replace(own))).toEqual(BAD_METADATA);
  });
});

describe("§6, §8.1: whose keys count", () => {
  it("those of the bundle of its own trust domain, and no other's", async () => {
    const elsewhere = await foreignIssuer();
    const other = `spiffe://${unique()}.example`;
    const terms = { issuer: other, name: "Other", purposes: ["client_auth"], jwks_uri: elsewhere.jwksUri };
    expect((await s.c.json("/trusted-issuers", terms, s.operator)).status).toBe(201);
    const foreign = await signAs(elsewhere.state.key, { sub: spiffeId, aud: ISSUER, exp: now() + 60 });
    expect(await refused(foreign)).toEqual(INVALID_CLIENT);
    await elsewhere.close();
  });

  it("iss decides nothing, and is not asked", async () => {
    const stranger = await foreignIssuer();
    expect((await ask(await svid({ iss: stranger.issuer }))).status).toBe(200);
    expect(stranger.state.asked).toEqual([]);
    await stranger.close();
  });

  it("a trust domain nobody trusts, one for workloads only, and one that is disabled are told the same", async () => {
    const workloads = await trust({ purposes: ["workload"] });
    const disabled = await trust({ status: "disabled" });
    const bodies = [];
    for (const domain of [workloads, disabled, "spiffe://unknown.example"]) {
      const { clientId } = await workload(`${domain}/w`);
      bodies.push(await (await ask(await svid({ sub: `${domain}/w` }), { client_id: clientId })).text());
    }
    expect(new Set(bodies).size).toBe(1);
  });

  it("keys that sign certificates sign no JWT-SVIDs", async () => {
    const key = await newForeignKey("x509");
    bundle.state.keys = [...bundle.state.keys, { ...key.publicJwk, use: "x509-svid" }];
    s.t.advance(10);
    const token = await signAs(key, { sub: spiffeId, aud: ISSUER, exp: now() + 60 });
    expect(await refused(token)).toEqual(INVALID_CLIENT);
  });

  it("a trust domain may vouch for clients and for workloads, and for nothing else", async () => {
    const domain = (purposes: string[]) => ({
      issuer: `spiffe://${unique()}.example`,
      name: "Cluster",
      purposes,
      jwks_uri: bundle.jwksUri,
    });
    const status = async (purposes: string[]) =>
      (await s.c.json("/trusted-issuers", domain(purposes), s.operator)).status;
    expect(await status(["workload", "client_auth"])).toBe(201);
    expect(await status(["client_auth", "id_jag"])).toBe(422);
  });
});

describe("interoperability (oauth4webapi), over real HTTP", () => {
  it("a client whose method of authentication is a function of its own gets a token", async () => {
    const insecure = { [oauth.allowInsecureRequests]: true };
    const server = await listening();
    const { ctx } = server.t;
    const domain = `spiffe://${unique()}.example`;
    const rules = { audiences: [], scope: null, workloads: [], status: "active" as const };
    const people = { create: false, allowedDomains: [] };
    const terms = { issuer: domain, name: "Cluster", jwksUri: bundle.jwksUri, people, ...rules };
    await createTrustedIssuer(ctx, { ...terms, purposes: ["client_auth"] }, "test");
    const offered = { grantTypes: ["client_credentials"], authMethods: ["spiffe_jwt"] };
    const wanted = {
      token_endpoint_auth_method: "spiffe_jwt",
      spiffe_id: `${domain}/agent`,
      grant_types: ["client_credentials"],
    };
    const metadata = parseClientMetadata(wanted, offered);
    await registerClient(ctx, { metadata, kind: "static", scope: ["jobs:run"], actor: "test" });

    const issuer = new URL(server.url);
    const as = await oauth.processDiscoveryResponse(
      issuer,
      await oauth.discoveryRequest(issuer, { algorithm: "oauth2", ...insecure }),
    );
    expect(as.token_endpoint_auth_methods_supported).toContain("spiffe_jwt");
    const auth: oauth.ClientAuth = async ({ issuer: aud }, { client_id: sub }, body) => {
      const exp = Math.floor(Date.now() / 1000) + 300;
      body.set("client_assertion_type", JWT_SPIFFE);
      body.set("client_assertion", await signAs(bundle.state.key, { sub, aud: [aud], exp }));
    };
    const client = { client_id: `${domain}/agent` };
    const response = await oauth.clientCredentialsGrantRequest(
      as,
      client,
      auth,
      new URLSearchParams(),
      insecure,
    );
    const tokens = await oauth.processClientCredentialsResponse(as, client, response);
    expect(tokens.token_type).toBe("bearer");
    await server.close();
  });
});
