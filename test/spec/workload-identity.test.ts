import { eq } from "drizzle-orm";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { events } from "@/db/schema/events";
import { GRANT_TYPES } from "@/lib/oauth/token-types";
import { basic, tokensOf } from "@/test/support/client";
import { unique } from "@/test/support/context";
import { delegation, type TestAgent } from "@/test/support/delegation";
import { unchanged } from "@/test/support/digest";
import { foreignIssuer } from "@/test/support/foreign-issuer";
import { type PublicServer, publicServer } from "@/test/support/public-server";
import { claimsOf } from "@/test/support/signer";
import { createRedeemer, type Partner, partner, redeem, refusal } from "@/test/support/trusted-assertions";

const ISSUER = "https://auth.example.com";

let s: PublicServer;
let agent: TestAgent;
let resource: string;
let platform: Partner;

beforeAll(async () => {
  s = await publicServer();
  resource = await s.createResource(["deploy", "logs"]);
});

const createAgent = (scopes: readonly string[] = ["deploy", "logs"]) =>
  delegation(s.c, s.operator).createAgent(scopes);

/** A platform that vouches for the workload with this subject, which is the agent. */
async function platformFor(claims: Record<string, string>, terms: Record<string, unknown> = {}) {
  agent = await createAgent();
  const workloads = [{ claims, client_id: agent.clientId }];
  return partner(s, ["workload"], { people: { create: false, allowed_domains: [] }, workloads, ...terms });
}

const present = (assertion: string, fields: Record<string, string> = {}) =>
  redeem(s, undefined, assertion, { resource, ...fields });

const refused = (assertion: string, fields: Record<string, string> = {}) =>
  unchanged(s.t, async () => refusal(await present(assertion, fields)));

const INVALID_GRANT = { status: 400, error: "invalid_grant" };
const UNAUTHORIZED = { status: 400, error: "unauthorized_client" };

/** The claims of a job's token as GitHub documents them. */
const githubJob = (repository = "acme/api") => ({
  sub: `repo:${repository}:ref:refs/heads/main`,
  ref: "refs/heads/main",
  sha: "b1946ac92492d2347c6235b4d2611184b1946ac9",
  repository,
  repository_owner: "acme",
  repository_owner_id: "65",
  run_id: "30433642",
  run_attempt: "1",
  actor: "octocat",
  workflow: "deploy",
  event_name: "push",
  ref_type: "branch",
  environment: "production",
  job_workflow_ref: `${repository}/.github/workflows/deploy.yml@refs/heads/main`,
  runner_environment: "github-hosted",
});

/** The claims of a projected service account token as Kubernetes documents them. */
const serviceAccount = (more: Record<string, unknown> = {}) => ({
  aud: [ISSUER],
  sub: "system:serviceaccount:agents:indexer",
  "kubernetes.io": {
    namespace: "agents",
    node: { name: "node-1", uid: "646e7c5e-32d6-4d42-9dbd-e504e6cbe6b1" },
    pod: { name: "indexer-5d4b", uid: "5b1ff3ec-2bdb-4e3b-8fb8-1a8b3e3f5e0d" },
    serviceaccount: { name: "indexer", uid: "0a4b7a5e-1d42-4b49-9ad0-15aa9e6c2d43" },
    warnafter: 4_102_444_800,
  },
  ...more,
});

describe("workload identity: a GitHub Actions job", () => {
  beforeEach(async () => {
    platform = await platformFor({ sub: "repo:acme/api:*", environment: "production" });
    return () => platform.close();
  });

  it("gets a token of its agent, without a secret and without a client_id", async () => {
    const tokens = await tokensOf(await present(await platform.assertion(githubJob())));
    expect({ ...tokens, access_token: "" }).toEqual({
      access_token: "",
      token_type: "Bearer",
      expires_in: 900,
      scope: "deploy logs",
    });
    const { iat, exp, jti, ...claims } = claimsOf(tokens.access_token);
    expect(claims).toEqual({
      iss: ISSUER,
      sub: `client:${agent.clientId}`,
      aud: resource,
      client_id: agent.clientId,
      scope: "deploy logs",
    });
    expect(await s.isActive(tokens.access_token)).toBe(true);
  });

  it("is told in the audit trail by what it is at its platform", async () => {
    const jti = unique("job-");
    const { access_token } = await tokensOf(await present(await platform.assertion({ ...githubJob(), jti })));
    const [event] = await s.t.ctx.db
      .select()
      .from(events)
      .where(eq(events.subject, `token:${claimsOf(access_token).jti}`));
    expect(event).toMatchObject({
      type: "token.issued",
      actor: `client:${agent.clientId}`,
      data: { issuer: platform.issuer, workload: githubJob().sub, assertion: jti },
    });
  });

  it("another repository, or another environment, is nobody here", async () => {
    expect(await refused(await platform.assertion(githubJob("acme/other")))).toEqual(UNAUTHORIZED);
    const staging = { ...githubJob(), environment: "staging" };
    expect(await refused(await platform.assertion(staging))).toEqual(UNAUTHORIZED);
  });

  it("a job's token is good for one token here: it has a jti", async () => {
    const assertion = await platform.assertion(githubJob());
    expect((await present(assertion)).status).toBe(200);
    expect(await refused(assertion)).toEqual(INVALID_GRANT);
  });

  it("client_id may be sent, if it is the agent's", async () => {
    const mine = await platform.assertion(githubJob());
    expect((await present(mine, { client_id: agent.clientId })).status).toBe(200);
    const other = await createAgent();
    const open = await s.createApp();
    for (const { clientId } of [other, open]) {
      const assertion = await platform.assertion(githubJob());
      expect(await refused(assertion, { client_id: clientId })).toEqual(INVALID_GRANT);
    }
  });

  it("an agent may prove itself by its secret, too, and has to be the right one", async () => {
    const assertion = await platform.assertion(githubJob());
    const other = await createAgent();
    const asOther = async () => refusal(await redeem(s, other, assertion, { resource }));
    expect(await unchanged(s.t, asOther)).toEqual(INVALID_GRANT);
    expect((await redeem(s, agent, assertion, { resource })).status).toBe(200);
  });

  it("wrong credentials are not made good by a right assertion", async () => {
    const fields = { grant_type: GRANT_TYPES.jwtBearer, assertion: await platform.assertion(githubJob()) };
    const wrong = basic({ ...agent, secret: "wrong" });
    const answer = async () => refusal(await s.c.form("/token", fields, wrong));
    expect(await unchanged(s.t, answer)).toEqual({ status: 401, error: "invalid_client" });
  });

  it("the scope is what was asked for, within the agent's", async () => {
    const assertion = await platform.assertion(githubJob());
    expect(await refused(assertion, { scope: "deploy admin" })).toEqual({
      status: 400,
      error: "invalid_scope",
      error_code: "scope_escalation",
    });
    expect((await tokensOf(await present(assertion, { scope: "deploy" }))).scope).toBe("deploy");
  });

  it("the operator's limit on the platform bounds every agent of it", async () => {
    await platform.change({ scope: "logs" });
    expect((await tokensOf(await present(await platform.assertion(githubJob())))).scope).toBe("logs");
  });

  it("a resource this server does not know is no target", async () => {
    const assertion = await platform.assertion(githubJob());
    expect(await refused(assertion, { resource: "https://elsewhere.example" })).toEqual({
      status: 400,
      error: "invalid_target",
    });
  });

  it("without a resource the token is for this server, with what the agent may have here", async () => {
    const response = await redeem(s, undefined, await platform.assertion(githubJob()));
    const { access_token, scope } = await tokensOf(response);
    expect([claimsOf(access_token).aud, scope]).toEqual([ISSUER, ""]);
  });

  it("an agent that was deactivated or frozen gets nothing", async () => {
    const assertion = await platform.assertion(githubJob());
    const target = { agent: agent.id };
    await s.c.json("/kill-switch", { action: "freeze", target }, s.operator);
    const frozen = await refused(assertion);
    await s.c.json("/kill-switch", { action: "kill", target }, s.operator);
    expect([frozen, await refused(assertion)]).toEqual([
      { ...UNAUTHORIZED, error_code: "agent_frozen" },
      UNAUTHORIZED,
    ]);
  });

  it("a mapped client that is not registered for the grant gets nothing", async () => {
    const service = await s.createService();
    await platform.change({
      workloads: [{ claims: { sub: "repo:acme/api:*" }, client_id: service.clientId }],
    });
    expect(await refused(await platform.assertion(githubJob()))).toEqual(UNAUTHORIZED);
  });

  it.each([
    ["expired", { exp: 1_700_000_000 }],
    ["without exp", { exp: undefined }],
    ["for somebody else", { aud: "https://github.com/acme" }],
    ["for us and somebody else", { aud: [ISSUER, "https://other.example"] }],
    ["of the future", { nbf: 4_102_444_000, exp: 4_102_444_800 }],
    ["bound to a key", { cnf: { jkt: "A".repeat(43) } }],
  ])("a token that is %s is no grant", async (_, claims) => {
    expect(await refused(await platform.assertion({ ...githubJob(), ...claims }))).toEqual(INVALID_GRANT);
  });

  it("signed by another key it is no grant", async () => {
    const impostor = await foreignIssuer();
    const claims = { ...platform.claims(githubJob()), iss: platform.issuer };
    expect(await refused(await impostor.sign(claims))).toEqual(INVALID_GRANT);
    await impostor.close();
  });

  it("our issuer with a slash, and the audiences the operator named, are good as well", async () => {
    await platform.change({ audiences: ["api://authgent"] });
    for (const aud of [`${ISSUER}/`, "api://authgent"])
      expect((await present(await platform.assertion({ ...githubJob(), aud }))).status).toBe(200);
  });
});

describe("workload identity: a Kubernetes service account", () => {
  beforeAll(async () => {
    platform = await platformFor({
      "kubernetes.io.namespace": "agents",
      "kubernetes.io.serviceaccount.name": "indexer",
    });
  });
  afterAll(() => platform.close());

  it("is matched by the claims inside its own, and its token serves again until it ends", async () => {
    const assertion = await platform.assertion(serviceAccount({ jti: undefined }));
    const [one, other] = [await tokensOf(await present(assertion)), await tokensOf(await present(assertion))];
    expect(claimsOf(one.access_token).sub).toBe(`client:${agent.clientId}`);
    expect(one.access_token).not.toBe(other.access_token);
    s.t.advance(301);
    expect(await refused(assertion)).toEqual(INVALID_GRANT);
  });

  it("a token with a jti serves again where the operator said that the platform reuses it, and only there", async () => {
    const claims = { "kubernetes.io.namespace": "agents", "kubernetes.io.serviceaccount.name": "indexer" };
    const rule = { claims, client_id: agent.clientId };
    const token = await platform.assertion(serviceAccount({ jti: unique() }));
    await platform.change({ workloads: [{ ...rule, reusable: true }] });
    expect([(await present(token)).status, (await present(token)).status]).toEqual([200, 200]);
    await platform.change({ workloads: [rule] });
    s.t.advance(1);
    expect([(await present(token)).status, await refused(token)]).toEqual([200, INVALID_GRANT]);
  });

  it("a service account of the same name in another namespace is nobody here", async () => {
    const elsewhere = { ...serviceAccount()["kubernetes.io"], namespace: "default" };
    expect(await refused(await platform.assertion(serviceAccount({ "kubernetes.io": elsewhere })))).toEqual(
      UNAUTHORIZED,
    );
  });
});

describe("workload identity: a SPIFFE JWT-SVID", () => {
  it("is known by the trust domain of its subject: it has no iss", async () => {
    const bundle = await foreignIssuer();
    bundle.state.keys = [{ ...bundle.state.key.publicJwk, use: "jwt-svid" }];
    const domain = `spiffe://${unique("td")}.example`;
    const workload = await createAgent(["logs"]);
    const trusted = await s.c.json(
      "/trusted-issuers",
      {
        issuer: domain,
        name: "Trust domain",
        purposes: ["workload"],
        jwks_uri: bundle.jwksUri,
        workloads: [{ claims: { sub: `${domain}/ns/agents/sa/indexer` }, client_id: workload.clientId }],
      },
      s.operator,
    );
    expect(trusted.status).toBe(201);
    const exp = Math.floor(s.t.ctx.now().getTime() / 1000) + 300;
    const svid = (path: string) =>
      bundle.sign({ iss: undefined, sub: `${domain}${path}`, aud: [ISSUER], exp }, { typ: undefined });
    const { access_token } = await tokensOf(await present(await svid("/ns/agents/sa/indexer")));
    expect(claimsOf(access_token)).toMatchObject({ sub: `client:${workload.clientId}`, scope: "logs" });
    expect(await refused(await svid("/ns/agents/sa/other"))).toEqual(UNAUTHORIZED);
    await bundle.close();
  });
});

describe("workload identity: without a client there is no other way in", () => {
  it("a missing assertion is invalid_request", async () => {
    const answer = async () => refusal(await s.c.form("/token", { grant_type: GRANT_TYPES.jwtBearer }));
    expect(await unchanged(s.t, answer)).toEqual({ status: 400, error: "invalid_request" });
  });

  it.each(["not a JWT", "e30.e30.", "a.b.c.d.e"])("%s is invalid_request", async (assertion) => {
    expect(await refused(assertion)).toEqual({ status: 400, error: "invalid_request" });
  });

  it("an issuer nobody trusts is no grant", async () => {
    const stranger = await foreignIssuer();
    const claims = platform.claims(githubJob());
    expect(await refused(await stranger.sign(claims))).toEqual(INVALID_GRANT);
    expect(stranger.state.asked).toEqual([]);
    await stranger.close();
  });

  it("every other grant still wants its client", async () => {
    for (const grant_type of ["client_credentials", "refresh_token", GRANT_TYPES.tokenExchange, "password"]) {
      const fields = { grant_type, assertion: await platform.assertion(serviceAccount()) };
      const answer = await refusal(await s.c.form("/token", fields));
      expect(answer).toEqual({ status: 401, error: "invalid_client" });
    }
  });

  it("a client that only redeems people's assertions does not become an agent by one", async () => {
    const app = await createRedeemer(s);
    const answer = async () => refusal(await redeem(s, app, await platform.assertion(serviceAccount())));
    expect(await unchanged(s.t, answer)).toEqual(INVALID_GRANT);
  });
});
