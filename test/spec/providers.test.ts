import { spawn } from "node:child_process";
import { once } from "node:events";
import { eq } from "drizzle-orm";
import { decodeJwt } from "jose";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { events } from "@/db/schema/events";
import { accessTokens } from "@/db/schema/tokens";
import { TOKEN_TYPES } from "@/lib/oauth/token-types";
import { type App, type Connection, connect, tokensOf } from "@/test/support/client";
import { type TestContext, testContext, unique } from "@/test/support/context";
import { type OperatorService, operatorService } from "@/test/support/operator-service";

const EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange";

let service: OperatorService;
let t: TestContext;
let c: Connection;

/** A server that asks `service`, as the settings with these names say. */
async function serverAsking(provider: string, url: string) {
  service = await operatorService();
  t = await testContext({ env: { [provider]: "http", [url]: service.url, AUTHGENT_PROVIDER_TIMEOUT: "1" } });
  c = connect(t);
}

afterEach(() => service.close());

const warnings = () => t.lines.map((line) => JSON.parse(line)).filter(({ level }) => level === "warn");

async function registerAgent(more: Record<string, unknown> = {}): Promise<Response> {
  return c.json("/agents", { name: unique("agent-"), allowed_scopes: ["search"], ...more });
}

async function newAgent(scope = ["search"]): Promise<App> {
  const response = await registerAgent({ allowed_scopes: scope });
  const { client_id: clientId, client_secret: secret } = await response.json();
  return { clientId, secret, redirectUri: "" };
}

const ownToken = (app: App, scope = "search") => c.token(app, { grant_type: "client_credentials", scope });

const exchange = (app: App, subjectToken: string, scope = "search") =>
  c.token(app, {
    grant_type: EXCHANGE,
    subject_token: subjectToken,
    subject_token_type: TOKEN_TYPES.accessToken,
    scope,
  });

describe("a policy service of the operator's", () => {
  beforeEach(() => serverAsking("AUTHGENT_POLICY_PROVIDER", "AUTHGENT_POLICY_URL"));

  const deny = (reason?: string) => service.answers({ effect: "deny", reason });
  const allow = () => service.answers({ effect: "allow", version: "v7" });

  it("allows a token, which keeps the version that did", async () => {
    allow();
    const { access_token } = await tokensOf(await ownToken(await newAgent()));
    const { jti = "" } = decodeJwt(access_token);
    const rows = await t.ctx.db.select().from(accessTokens).where(eq(accessTokens.jti, jti));
    expect(rows.map(({ policyVersion }) => policyVersion)).toEqual(["builtin/4 http:v7"]);
  });

  it.each(["\0", "\ud800", "k".repeat(60_000)])(
    "that says what nobody can store is no answer",
    async (name) => {
      service.answers({ effect: "allow", [name]: 1 });
      const agent = await newAgent();
      expect((await ownToken(agent)).status).toBe(503);
      const rows = await t.ctx.db.select().from(events).where(eq(events.clientId, agent.clientId));
      expect(rows.map(({ data }) => JSON.stringify(data).length).filter((length) => length > 1000)).toEqual(
        [],
      );
    },
  );

  it("refuses a token with a reason that the client is told (product decision D8)", async () => {
    deny("Not after six.");
    const response = await ownToken(await newAgent());
    expect([response.status, await response.json()]).toEqual([
      400,
      {
        error: "unauthorized_client",
        error_code: "policy_denied",
        error_description: "Not after six.",
        error_uri: "http://localhost:8000/errors/policy_denied",
      },
    ]);
  });

  it("is told of a delegation: who would act, and what the chain holds", async () => {
    allow();
    const [first, second] = [await newAgent(), await newAgent()];
    const { access_token } = await tokensOf(await ownToken(first));
    await tokensOf(await exchange(second, access_token));
    expect(service.asked.map(({ body }) => body)).toEqual([
      {
        grant_type: "client_credentials",
        client_id: first.clientId,
        subject: `client:${first.clientId}`,
        actors: [],
        scope: ["search"],
        audience: "http://localhost:8000",
      },
      {
        grant_type: EXCHANGE,
        client_id: second.clientId,
        subject: `client:${first.clientId}`,
        actors: [`client:${second.clientId}`],
        scope: ["search"],
        audience: "http://localhost:8000",
        delegation: {
          issued_to: first.clientId,
          held_scope: ["search"],
          requested_scope: ["search"],
          registered_scope: ["search"],
          registered_may_act: [],
          may_use_subject_token: true,
          exchange_targets: [],
          depth: 1,
          max_depth: 5,
        },
      },
    ]);
  });

  it("refuses an exchange that the registrations allow", async () => {
    allow();
    const { access_token } = await tokensOf(await ownToken(await newAgent()));
    deny();
    const response = await exchange(await newAgent(), access_token);
    const { error, error_code } = await response.json();
    expect([response.status, error, error_code]).toEqual([400, "unauthorized_client", "policy_denied"]);
  });

  it("cannot allow what the registrations refuse, and is not asked about it", async () => {
    allow();
    const { access_token } = await tokensOf(await ownToken(await newAgent()));
    const asked = service.asked.length;
    const response = await exchange(await newAgent(), access_token, "write");
    expect([response.status, (await response.json()).error]).toEqual([400, "invalid_scope"]);
    expect(service.asked.length).toBe(asked);
  });

  it("that is silent has allowed nothing: 503, and when to try again", async () => {
    const response = await ownToken(await newAgent());
    expect([response.status, response.headers.get("retry-after"), (await response.json()).error]).toEqual([
      503,
      "5",
      "temporarily_unavailable",
    ]);
  });

  it("that is away costs nobody a refresh token or a code", async () => {
    allow();
    const app = await c.registerPublic();
    const { refresh_token } = await c.tokensFor(app);
    const code = await c.codeFor(app);
    service.handles((_, response) => response.writeHead(500).end());
    expect([(await c.refresh(app, refresh_token)).status, (await c.redeem(app, code)).status]).toEqual([
      503, 503,
    ]);
    allow();
    expect([(await c.refresh(app, refresh_token)).status, (await c.redeem(app, code)).status]).toEqual([
      200, 200,
    ]);
  });
});

describe("a claim enricher of the operator's", () => {
  beforeEach(() => serverAsking("AUTHGENT_CLAIM_ENRICHER", "AUTHGENT_CLAIM_ENRICHER_URL"));

  it("adds claims to an access token", async () => {
    service.answers({ claims: { roles: ["reader"], "https://acme.example/tenant": { id: 7 } } });
    const { access_token } = await tokensOf(await ownToken(await newAgent()));
    expect(decodeJwt(access_token)).toMatchObject({
      roles: ["reader"],
      "https://acme.example/tenant": { id: 7 },
    });
  });

  it("class F 111: cannot forge act, human_root, cnf, exp or the subject", async () => {
    const agent = await newAgent();
    service.answers({ claims: {} });
    const plain = decodeJwt((await tokensOf(await ownToken(agent))).access_token);
    service.answers({
      claims: {
        tenant: "acme",
        act: { sub: "client:forged" },
        human_root: true,
        cnf: { jkt: "forged" },
        exp: 9_999_999_999,
        sub: "user:root",
      },
    });
    const claims = decodeJwt((await tokensOf(await ownToken(agent))).access_token);
    expect(claims).toEqual({ ...plain, tenant: "acme", iat: claims.iat, jti: claims.jti });
    expect(warnings()).toMatchObject([
      { event: "claims dropped", names: ["act", "human_root", "cnf", "exp", "sub"] },
    ]);
  });

  it.each([
    ["is silent", () => {}],
    ["breaks", () => service.handles((_, response) => response.writeHead(500).end())],
    ["talks nonsense", () => service.answers(["roles"])],
    ["is not there", () => service.close()],
  ])("that %s leaves the token as it is, and one line in the log", async (_, prepare) => {
    const agent = await newAgent();
    await prepare();
    const { access_token } = await tokensOf(await ownToken(agent));
    expect(Object.keys(decodeJwt(access_token)).sort()).toEqual([
      "aud",
      "client_id",
      "exp",
      "iat",
      "iss",
      "jti",
      "scope",
      "sub",
    ]);
    expect(warnings().map(({ event }) => event)).toEqual(["claim enricher gave no answer"]);
  });
});

describe("an attestation service of the operator's", () => {
  beforeEach(() => serverAsking("AUTHGENT_ATTESTATION_PROVIDER", "AUTHGENT_ATTESTATION_URL"));

  const attestation = { format: "tpm", quote: "AAEC" };

  it("says how well an agent's evidence proves it", async () => {
    service.answers({ valid: true, level: "hardware" });
    const response = await registerAgent({ name: "Search", attestation });
    expect([response.status, (await response.json()).attestation_level]).toEqual([201, "hardware"]);
    expect(service.asked.map(({ body }) => body)).toEqual([{ name: "Search", evidence: attestation }]);
  });

  it("is not asked about an agent without evidence", async () => {
    const response = await registerAgent();
    expect([response.status, (await response.json()).attestation_level]).toEqual([201, "none"]);
    expect(service.asked).toEqual([]);
  });

  it("refuses evidence that is not good", async () => {
    service.answers({ valid: false, level: "hardware" });
    const response = await registerAgent({ attestation });
    const { errors } = await response.json();
    expect([response.status, errors.map(({ field }: { field: string }) => field)]).toEqual([
      422,
      ["attestation"],
    ]);
  });

  it("that is silent leaves evidence unjudged, so it is refused: 503", async () => {
    const response = await registerAgent({ attestation });
    expect([response.status, response.headers.get("retry-after")]).toEqual([503, "5"]);
  });
});

describe("examples/policy-service", () => {
  it("answers this server as its README says: agents may not delete for others", async () => {
    service = await operatorService();
    const { port } = new URL(service.url);
    await service.close();
    const secret = unique("a-secret-of-the-services-");
    const example = spawn(process.execPath, ["examples/policy-service/main.mjs"], {
      env: { NODE_ENV: "test", PORT: port, SECRET: secret },
      stdio: ["ignore", "pipe", "inherit"],
    });
    try {
      await once(example.stdout, "data");
      t = await testContext({
        env: {
          AUTHGENT_POLICY_PROVIDER: "http",
          AUTHGENT_POLICY_URL: `http://127.0.0.1:${port}/`,
          AUTHGENT_PROVIDER_SECRET: secret,
        },
      });
      c = connect(t);
      const agents = await Promise.all([newAgent(["delete"]), newAgent(["delete"])]);
      const { access_token } = await tokensOf(await ownToken(agents[0], "delete"));
      const refused = await exchange(agents[1], access_token, "delete");
      expect([refused.status, (await refused.json()).error_description]).toEqual([
        400,
        "Agents may not delete. Do it yourself.",
      ]);
    } finally {
      example.kill();
    }
  });
});
