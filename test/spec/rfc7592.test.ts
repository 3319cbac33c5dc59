import { eq, sql } from "drizzle-orm";
import { beforeAll, describe, expect, it } from "vitest";
import { rowsOf } from "@/db/client";
import { clients } from "@/db/schema/clients";
import { changeClient } from "@/lib/services/client-changes";
import { findClient, pruneClients } from "@/lib/services/clients";
import { stop } from "@/lib/services/kill-switch";
import { readRevocationFeed } from "@/lib/services/revocation-feed";
import {
  type App,
  approvalOf,
  basic,
  type Connection,
  connect,
  newBrowser,
  refusalOf,
  tokensOf,
} from "@/test/support/client";
import { assertionOf, newClientKey, presenting } from "@/test/support/client-assertion";
import { type TestContext, testContext, unique } from "@/test/support/context";
import { unchanged } from "@/test/support/digest";
import { type PublicServer, publicServer } from "@/test/support/public-server";
import { claimsOf } from "@/test/support/signer";

const LOOPBACK = "http://127.0.0.1/callback";
const TOKEN = "an-initial-access-token-of-the-tests";

type Json = Record<string, unknown>;
type Registered = {
  client_id: string;
  client_secret?: string;
  registration_access_token: string;
  registration_client_uri: string;
  [member: string]: unknown;
};

/** Somebody's own machine, and a server on the internet. */
let t: TestContext;
let c: Connection;
let s: PublicServer;

beforeAll(async () => {
  t = await testContext({ env: { AUTHGENT_REGISTER_RATE_LIMIT: "100000" } });
  c = connect(t);
  s = await publicServer({ env: { AUTHGENT_REGISTRATION_TOKEN: TOKEN } });
  await s.createResource(["notes:read", "notes:write"]);
});

async function register(metadata: Json = {}, headers = {}, at = c): Promise<Registered> {
  const response = await at.json("/register", { redirect_uris: [LOOPBACK], ...metadata }, headers);
  if (response.status !== 201) throw new Error(`not registered: ${await response.text()}`);
  return response.json();
}

const appOf = ({ client_id: clientId, client_secret: secret }: Registered): App => ({
  clientId,
  redirectUri: LOOPBACK,
  ...(secret ? { secret } : {}),
});
const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
const own = ({ registration_access_token: token }: Registered) => bearer(token);
const pathOf = ({ registration_client_uri: uri }: Registered) => new URL(uri).pathname;

const read = (of: Registered, headers: Record<string, string> = own(of), at = c) =>
  at.call(pathOf(of), { headers });
const replace = (of: Registered, metadata: Json, headers: Record<string, string> = own(of), at = c) =>
  at.json(pathOf(of), { client_id: of.client_id, redirect_uris: [LOOPBACK], ...metadata }, headers, "PUT");
const remove = (of: Registered, headers: Record<string, string> = own(of), at = c) =>
  at.call(pathOf(of), { method: "DELETE", headers });

/** What a replacement was answered, that has to succeed. */
async function replaced(of: Registered, metadata: Json, at = c): Promise<Registered> {
  const response = await replace(of, metadata, own(of), at);
  expect(response.status).toBe(200);
  return response.json();
}

/** By name: with a clock that stands still there is no other order. */
const eventsOf = ({ client_id: id }: Registered, at = t) =>
  rowsOf<{ type: string; actor: string }>(
    at.ctx.db.execute(sql`select type, actor from events where subject = ${`client:${id}`} order by type`),
  );

describe("RFC 7592 §3: the client information response", () => {
  it("a registration is answered with where it is managed, and the token that does it", async () => {
    const registered = await register();
    expect(registered.registration_access_token).toMatch(/^reg_[\w-]{43}$/);
    expect(registered.registration_client_uri).toBe(`http://localhost:8000/register/${registered.client_id}`);
  });

  it("the alias of registration names the same address", async () => {
    const { client_id, registration_client_uri } = await (
      await c.json("/oauth/register", { redirect_uris: [LOOPBACK] })
    ).json();
    expect(registration_client_uri).toBe(`http://localhost:8000/register/${client_id}`);
  });

  it("the token is stored as its hash, and neither logged nor told to an operator", async () => {
    const registered = await register({}, {}, s.c);
    const { registration_access_token: token, client_id } = registered;
    await read(registered, own(registered), s.c);
    const shown = await (
      await s.c.call(`/clients/one?client_id=${client_id}`, { headers: s.operator })
    ).text();
    const row = JSON.stringify(await findClient(s.t.ctx, client_id));
    expect([shown, row, s.t.lines.join()].map((text) => text.includes(token))).toEqual([false, false, false]);
  });

  it("clients of an operator and agents have none", async () => {
    const app = await (
      await s.c.json("/clients", { client_name: "Job", grant_types: ["client_credentials"] }, s.operator)
    ).json();
    const agent = await (await s.c.json("/agents", { name: "Agent" }, s.operator)).json();
    expect(["registration_access_token" in app, "registration_access_token" in agent]).toEqual([
      false,
      false,
    ]);
  });
});

describe("RFC 7592 §2.1: reading a registration", () => {
  it("is answered with every registered value and the token that was sent, without the secret", async () => {
    const key = await newClientKey();
    const registered = await register({
      client_name: "Notes",
      client_uri: "https://notes.example",
      scope: "notes:read",
      jwks: { keys: [key.publicJwk] },
      dpop_bound_access_tokens: true,
    });
    const response = await read(registered);
    expect([response.status, response.headers.get("cache-control")]).toEqual([200, "no-store"]);
    const { client_secret, client_secret_expires_at, ...rest } = registered;
    expect(client_secret).toMatch(/^sec_/);
    expect(client_secret_expires_at).toBe(0);
    expect(await response.json()).toEqual(rest);
  });

  it("changes nothing", async () => {
    const registered = await register();
    await unchanged(t, () => read(registered));
  });
});

describe("RFC 7592 §2.2: replacing a registration", () => {
  it("replaces all of it: what is left out is gone, the identifier and the secret stay", async () => {
    const registered = await register({
      client_name: "Notes",
      scope: "notes:read",
      logo_uri: "https://notes.example/logo.png",
    });
    const { client_id_issued_at, registration_access_token, registration_client_uri } = registered;
    const answer = await replaced(registered, { redirect_uris: ["https://notes.example/cb"] });
    expect(answer).toEqual({
      client_id: registered.client_id,
      ...{ client_id_issued_at, registration_access_token, registration_client_uri },
      client_name: "Unnamed app",
      redirect_uris: ["https://notes.example/cb"],
      token_endpoint_auth_method: "client_secret_basic",
      grant_types: ["authorization_code", "refresh_token"],
      response_types: ["code"],
      application_type: "web",
    });
    expect(await (await read(registered)).json()).toEqual(answer);
    const wrong = await c.token(appOf(registered), { grant_type: "refresh_token", refresh_token: "none" });
    expect(await refusalOf(wrong)).toEqual({ status: 400, error: "invalid_grant" });
  });

  it("bites at once: an address that is gone is refused at /authorize", async () => {
    const registered = await register();
    const app = appOf(registered);
    expect((await c.authorize(c.requestOf(app))).status).toBe(303);
    await replaced(registered, { redirect_uris: ["https://notes.example/cb"] });
    expect((await c.authorize(c.requestOf(app))).status).toBe(400);
  });

  it("tells who did it in the audit trail", async () => {
    const registered = await register();
    await replaced(registered, { client_name: "Renamed" });
    const actor = `client:${registered.client_id}`;
    expect(await eventsOf(registered)).toEqual([
      { type: "client.created", actor: "anonymous" },
      { type: "client.updated", actor },
    ]);
  });

  it.each([
    ["registration_access_token", "reg_x"],
    ["registration_client_uri", "https://evil.example"],
    ["client_secret_expires_at", 0],
    ["client_id_issued_at", 1],
  ])("a body with %s is refused", async (member, value) => {
    const registered = await register();
    const response = await unchanged(t, () => replace(registered, { [member]: value }));
    expect(await refusalOf(response)).toEqual({ status: 400, error: "invalid_client_metadata" });
  });

  it.each([
    ["no client_id", { client_id: undefined }, "invalid_client_metadata"],
    ["another client_id", { client_id: "dyn_another" }, "invalid_client_metadata"],
    ["a secret that is not its own", { client_secret: `sec_${"x".repeat(43)}` }, "invalid_client_metadata"],
    ["a secret that is no text", { client_secret: 7 }, "invalid_client_metadata"],
    ["a fragment in an address", { redirect_uris: ["https://app.example/cb#x"] }, "invalid_redirect_uri"],
    ["no address", { redirect_uris: [] }, "invalid_redirect_uri"],
    ["a method nobody has", { token_endpoint_auth_method: "tls_client_auth" }, "invalid_client_metadata"],
    [
      "jwks and jwks_uri",
      { jwks: { keys: [] }, jwks_uri: "https://app.example/jwks" },
      "invalid_client_metadata",
    ],
  ])("a body with %s is refused", async (_what, metadata, error) => {
    const registered = await register();
    const response = await unchanged(t, () => replace(registered, metadata));
    expect(await refusalOf(response)).toEqual({ status: 400, error });
  });

  it("a body that is no JSON object, or no JSON, is refused", async () => {
    const registered = await register();
    for (const body of [[], "x", 7, null])
      expect(await refusalOf(await c.json(pathOf(registered), body, own(registered), "PUT"))).toEqual({
        status: 400,
        error: "invalid_client_metadata",
      });
    const form = await c.call(pathOf(registered), { method: "PUT", body: "x=y", headers: own(registered) });
    expect(await refusalOf(form)).toEqual({ status: 415, error: "unsupported_media_type" });
  });

  it("a secret of its own may be sent, and is told again", async () => {
    const registered = await register();
    const { client_secret } = registered;
    const answer = await replaced(registered, { client_secret });
    expect([answer.client_secret, answer.client_secret_expires_at]).toEqual([client_secret, 0]);
  });

  it("a public client sends no secret", async () => {
    const registered = await register({ token_endpoint_auth_method: "none" });
    for (const client_secret of ["", "no client has this token"]) {
      const response = await replace(registered, { token_endpoint_auth_method: "none", client_secret });
      expect(await refusalOf(response)).toEqual({ status: 400, error: "invalid_client_metadata" });
    }
  });

  it("a public client that becomes confidential gets a secret, once, and is one from then on", async () => {
    const registered = await register({ token_endpoint_auth_method: "none" });
    const answer = await replaced(registered, {});
    expect(answer.client_secret).toMatch(/^sec_[\w-]{43}$/);
    expect("client_secret" in (await replaced(registered, {}))).toBe(false);
    const fields = { grant_type: "refresh_token", refresh_token: "none" };
    const nameOnly = await c.token(appOf(registered), fields);
    const proven = await c.token(appOf(answer), fields);
    expect([await refusalOf(nameOnly), await refusalOf(proven)]).toEqual([
      { status: 401, error: "invalid_client" },
      { status: 400, error: "invalid_grant" },
    ]);
  });

  it("of five at once that make it confidential one is told the secret, and it is the secret", async () => {
    const registered = await register({ token_endpoint_auth_method: "none" });
    const answers = await Promise.all(Array.from({ length: 5 }, () => replaced(registered, {})));
    const [told, ...more] = answers.flatMap(({ client_secret }) => client_secret ?? []);
    expect(more).toEqual([]);
    const app = { ...appOf(registered), secret: told ?? "" };
    const proven = await c.token(app, { grant_type: "refresh_token", refresh_token: "none" });
    expect(await refusalOf(proven)).toEqual({ status: 400, error: "invalid_grant" });
  });

  it("a confidential client that becomes public has no secret any more, nor an earlier one", async () => {
    const registered = await register();
    const answer = await replaced(registered, {
      token_endpoint_auth_method: "none",
      client_secret: registered.client_secret,
    });
    expect("client_secret" in answer).toBe(false);
    const row = await findClient(t.ctx, registered.client_id);
    expect([row?.secretHash, row?.previousSecretHash, row?.previousSecretExpiresAt]).toEqual([
      null,
      null,
      null,
    ]);
    const old = await c.token(appOf(registered), { grant_type: "refresh_token", refresh_token: "none" });
    expect(await refusalOf(old)).toEqual({ status: 401, error: "invalid_client" });
  });

  it("a client that has keys from now on signs, and its secret is forgotten", async () => {
    const registered = await register({ grant_types: ["client_credentials"] });
    const key = await newClientKey();
    const answer = await replaced(registered, {
      grant_types: ["client_credentials"],
      token_endpoint_auth_method: "private_key_jwt",
      jwks: { keys: [key.publicJwk] },
    });
    expect([answer.token_endpoint_auth_method, "client_secret" in answer]).toEqual([
      "private_key_jwt",
      false,
    ]);
    const fields = { grant_type: "client_credentials" };
    const bySecret = await c.token(appOf(registered), fields);
    const assertion = await assertionOf(t, registered.client_id, key);
    const signed = await c.form("/token", { ...fields, ...presenting(assertion) });
    expect([bySecret.status, signed.status]).toEqual([401, 200]);
  });

  it("what a client is held to it does not shake off: DPoP and pushed requests", async () => {
    const held = { dpop_bound_access_tokens: true, require_pushed_authorization_requests: true };
    const registered = await register(held);
    const loose = { dpop_bound_access_tokens: false, require_pushed_authorization_requests: false };
    for (const metadata of [{}, loose]) expect(await replaced(registered, metadata)).toMatchObject(held);
  });

  it("D1: the addresses of a public server's policy hold, and those registered with a credential are free", async () => {
    const registered = await register({}, {}, s.c);
    const strange = { redirect_uris: ["https://unknown.example/cb"] };
    const refused = await unchanged(s.t, () => replace(registered, strange, own(registered), s.c));
    expect(await refusalOf(refused)).toEqual({ status: 400, error: "invalid_redirect_uri" });
    const vouched = await register({}, bearer(TOKEN), s.c);
    expect((await replaced(vouched, strange, s.c)).redirect_uris).toEqual(strange.redirect_uris);
  });

  it("139: what took a credential to register is not gained by the registration's own token", async () => {
    const both = { grant_types: ["authorization_code", "client_credentials"] };
    for (const headers of [{}, bearer(TOKEN)]) {
      const registered = await register({ grant_types: ["authorization_code"] }, headers, s.c);
      const answer = await replaced(registered, both, s.c);
      expect(answer.grant_types).toEqual(["authorization_code", "refresh_token"]);
    }
    const service = { grant_types: ["client_credentials"], redirect_uris: undefined };
    const kept = await register({ ...service, scope: "notes:read" }, bearer(TOKEN), s.c);
    const scopes = [];
    for (const scope of ["notes:read notes:write", "notes:write", undefined])
      scopes.push((await replaced(kept, { ...service, scope }, s.c)).scope);
    expect(scopes).toEqual(["notes:read", "notes:read", "notes:read"]);
  });

  it("scopes for which people are asked may grow and shrink", async () => {
    const registered = await register({ scope: "notes:read" }, {}, s.c);
    const scopes = [];
    for (const scope of ["notes:read notes:write", "notes:write", undefined])
      scopes.push((await replaced(registered, { scope }, s.c)).scope);
    expect(scopes).toEqual(["notes:read notes:write", "notes:write", undefined]);
  });

  it("where registration is off nothing is replaced, and what there is can be read and deleted", async () => {
    const registered = await register({}, {}, s.c);
    const off = await publicServer({ env: { AUTHGENT_REGISTRATION_POLICY: "off" } });
    const response = await unchanged(off.t, () => replace(registered, {}, own(registered), off.c));
    expect(await refusalOf(response)).toEqual({ status: 403, error: "forbidden" });
    expect((await read(registered, own(registered), off.c)).status).toBe(200);
    expect((await remove(registered, own(registered), off.c)).status).toBe(204);
  });
});

describe("RFC 7592 §2.3: deleting a registration", () => {
  it("is 204 without a body; the client is unknown at once, everywhere", async () => {
    const registered = await register();
    const response = await remove(registered);
    expect([response.status, await response.text()]).toEqual([204, ""]);
    const token = await c.token(appOf(registered), { grant_type: "refresh_token", refresh_token: "none" });
    expect(await refusalOf(token)).toEqual({ status: 401, error: "invalid_client" });
    expect((await c.authorize(c.requestOf(appOf(registered)))).status).toBe(400);
    for (const send of [read, remove])
      expect(await refusalOf(await send(registered))).toEqual({ status: 401, error: "invalid_token" });
  });

  it("ends what people allowed it, its tokens, its codes and the questions that wait", async () => {
    const registered = await register({}, {}, s.c);
    const app = appOf(registered);
    const person = await s.c.signIn();
    const browser = newBrowser();
    const tokens = await s.c.tokensFor(app, {}, { person });
    const code = await s.c.codeFor(app, {}, { person });
    const waiting = approvalOf(await s.c.authorize(s.c.requestOf(app), { person, browser })) ?? "";
    expect((await remove(registered, own(registered), s.c)).status).toBe(204);

    expect(await s.introspect(tokens.access_token)).toEqual({ active: false });
    expect(await s.introspect(tokens.refresh_token)).toEqual({ active: false });
    expect((await s.c.redeem(app, code)).status).toBe(401);
    const answered = await s.c.consent(waiting, { person, browser });
    expect([answered.status, answered.headers.get("location")]).toEqual([303, `/approve/${waiting}`]);
    const grants = await rowsOf(
      s.t.ctx.db.execute(
        sql`select status, revoked_by from grants where client_id = ${registered.client_id}`,
      ),
    );
    expect(grants).toEqual([{ status: "revoked", revoked_by: `client:${registered.client_id}` }]);
    // Verifiers that never ask learn it from the list (decision 0005).
    const { jws } = await readRevocationFeed(s.t.ctx);
    expect(claimsOf(jws).revoked).toContain(claimsOf(tokens.access_token).jti);
  });

  it("ends what others made of its tokens", async () => {
    const registered = await register({ grant_types: ["client_credentials"], scope: "a" });
    const { access_token } = await tokensOf(
      await c.token(appOf(registered), { grant_type: "client_credentials" }),
    );
    const agent = await (await c.json("/agents", { name: unique("agent-"), allowed_scopes: ["a"] })).json();
    const exchanged = await c.form("/token", {
      grant_type: "urn:ietf:params:oauth:grant-type:token-exchange",
      subject_token: access_token,
      client_id: agent.client_id,
      client_secret: agent.client_secret,
    });
    const { access_token: delegated } = await tokensOf(exchanged);
    expect((await c.introspect(delegated)).active).toBe(true);
    await remove(registered);
    expect(await c.introspect(delegated)).toEqual({ active: false });
    const { jws } = await readRevocationFeed(t.ctx);
    const jtis = [access_token, delegated].map((token) => claimsOf(token).jti);
    expect(claimsOf(jws).revoked).toEqual(expect.arrayContaining(jtis));
  });

  it("tells who did it in the audit trail", async () => {
    const registered = await register({ client_name: "Notes" });
    await remove(registered);
    expect(await eventsOf(registered)).toEqual([
      { type: "client.created", actor: "anonymous" },
      { type: "client.deleted", actor: `client:${registered.client_id}` },
    ]);
  });

  it("of ten at once exactly one deletes", async () => {
    const registered = await register();
    const answers = await Promise.all(Array.from({ length: 10 }, () => remove(registered)));
    expect(answers.map(({ status }) => status).sort()).toEqual([204, ...Array(9).fill(401)]);
    expect((await eventsOf(registered)).filter(({ type }) => type === "client.deleted")).toHaveLength(1);
  });
});

describe("RFC 7592 §2: who manages a registration", () => {
  /** Everything that is refused is refused alike, and changes nothing. */
  const attempts = [
    ["GET", read],
    ["PUT", (of: Registered, headers: Record<string, string>, at = c) => replace(of, {}, headers, at)],
    ["DELETE", remove],
  ] as const;

  describe.each(attempts)("%s", (_method, send) => {
    async function refused(of: Registered, headers: Record<string, string>, at = s) {
      const response = await unchanged(at.t, () => send(of, headers, at.c));
      return [response.status, response.headers.get("www-authenticate"), await response.text()];
    }
    const CHALLENGE = 'Bearer error="invalid_token"';

    it("without a token is 401 with a challenge that names no error (RFC 6750 §3.1)", async () => {
      const [status, challenge, body] = await refused(await register({}, {}, s.c), {});
      expect([status, challenge, JSON.parse(String(body)).error]).toEqual([401, "Bearer", "invalid_token"]);
    });

    it("142: another client's token, a wrong one and an unknown client are one answer", async () => {
      const [mine, other] = [await register({}, {}, s.c), await register({}, {}, s.c)];
      const gone = { ...mine, registration_client_uri: `${s.t.ctx.settings.serverUrl}/register/dyn_unknown` };
      const answers = [
        await refused(mine, own(other)),
        await refused(mine, bearer(`reg_${"x".repeat(43)}`)),
        await refused(gone, own(mine)),
        await refused(mine, basic(appOf(mine))),
        await refused(mine, s.operator),
        await refused(mine, bearer(TOKEN)),
      ];
      expect(answers.map(([status]) => status)).toEqual(Array(6).fill(401));
      expect(new Set(answers.map(([, , body]) => body)).size).toBe(1);
      expect(new Set(answers.map(([, challenge]) => challenge))).toEqual(new Set([CHALLENGE, "Bearer"]));
    });

    it("a disabled and a frozen client's own token is that answer, too", async () => {
      const [disabled, frozen] = [await register({}, {}, s.c), await register({}, {}, s.c)];
      await changeClient(s.t.ctx, disabled.client_id, { status: "disabled" }, "operator");
      await stop(s.t.ctx, {
        target: { kind: "client", clientId: frozen.client_id },
        ...{ action: "freeze", actor: "operator", isOperator: true, address: "" },
      });
      for (const one of [disabled, frozen])
        expect((await refused(one, own(one))).slice(0, 2)).toEqual([401, CHALLENGE]);
    });

    it("a client of an operator, an agent and a document have no registration", async () => {
      const app = await s.createService();
      const agent = await (await s.c.json("/agents", { name: "Agent" }, s.operator)).json();
      const token = `reg_${"x".repeat(43)}`;
      for (const id of [
        app.clientId,
        agent.client_id,
        encodeURIComponent("https://app.example/client.json"),
      ]) {
        const of = {
          client_id: id,
          registration_access_token: token,
          registration_client_uri: `${s.t.ctx.settings.serverUrl}/register/${id}`,
        };
        expect((await refused(of, bearer(token))).slice(0, 2)).toEqual([401, CHALLENGE]);
      }
    });

    it("a registration of before there were tokens has none", async () => {
      const registered = await register({}, {}, s.c);
      await s.t.ctx.db
        .update(clients)
        .set({ registrationTokenHash: null })
        .where(eq(clients.clientId, registered.client_id));
      expect((await refused(registered, own(registered))).slice(0, 2)).toEqual([401, CHALLENGE]);
    });
  });

  it("client quirk Q15: with a registration that was pruned its token is dead", async () => {
    const own_ = await publicServer();
    const registered = await register({}, {}, own_.c);
    own_.t.advance(91 * 86_400);
    await pruneClients(own_.t.ctx);
    expect((await read(registered, own(registered), own_.c)).status).toBe(401);
  });

  it("counts with the registrations of an address", async () => {
    const busy = connect(await testContext({ env: { AUTHGENT_REGISTER_RATE_LIMIT: "3" } }));
    const registered = await register({}, {}, busy);
    const statuses = [];
    for (let n = 0; n < 3; n++) statuses.push((await read(registered, own(registered), busy)).status);
    expect(statuses).toEqual([200, 200, 429]);
  });

  it("scripts of any origin may manage their registration (RFC 10017)", async () => {
    const registered = await register();
    const preflight = await c.call(pathOf(registered), {
      method: "OPTIONS",
      headers: { origin: "https://app.example", "access-control-request-method": "DELETE" },
    });
    expect([preflight.status, preflight.headers.get("access-control-allow-methods")]).toEqual([
      204,
      "GET, PUT, DELETE, OPTIONS",
    ]);
  });

  it("other methods are 405", async () => {
    const registered = await register();
    const response = await c.call(pathOf(registered), { method: "POST", headers: own(registered) });
    expect([response.status, response.headers.get("allow")]).toEqual([405, "GET, PUT, DELETE, OPTIONS"]);
  });
});
