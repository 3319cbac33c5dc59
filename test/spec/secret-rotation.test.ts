import { eq, sql } from "drizzle-orm";
import { beforeAll, describe, expect, it } from "vitest";
import { rowsOf } from "@/db/client";
import { clients } from "@/db/schema/clients";
import { runJobs } from "@/lib/jobs";
import { findClient } from "@/lib/services/clients";
import { type App, type Person, refusalOf } from "@/test/support/client";
import { newClientKey } from "@/test/support/client-assertion";
import { unique } from "@/test/support/context";
import { unchanged } from "@/test/support/digest";
import { type PublicServer, publicServer } from "@/test/support/public-server";

type Json = Record<string, unknown>;
type Headers = Record<string, string>;

const ORIGIN = "https://auth.example.com";
const DAY = 86_400;

let s: PublicServer;
let ada: Headers;
let admin: Headers;

beforeAll(async () => {
  s = await publicServer();
  ada = sessionOf(await s.c.signIn());
  admin = sessionOf(await s.c.signIn("admin"));
});

const sessionOf = (person: Person): Headers => ({ ...s.c.cookies({ person }), origin: ORIGIN });

async function createAgent(headers = s.operator as Headers, more: Json = {}) {
  const response = await s.c.json("/agents", { name: unique("agent-"), ...more }, headers);
  if (response.status !== 201) throw new Error(`not created: ${await response.text()}`);
  const { id, client_id: clientId, client_secret: secret } = await response.json();
  return { id, app: { clientId, secret, redirectUri: "" } as App };
}

const rotateClient = (clientId: string, body: unknown = {}, headers = s.operator as Headers) =>
  s.c.json(`/clients/one/secret?client_id=${encodeURIComponent(clientId)}`, body, headers);
const rotateAgent = (id: string, body: unknown = {}, headers = s.operator as Headers) =>
  s.c.json(`/agents/${id}/secret`, body, headers);

const works = async (app: App) => (await s.c.token(app, { grant_type: "client_credentials" })).status;
const epoch = () => Math.floor(s.t.ctx.now().getTime() / 1000);

/** What is wrong with a body, field by field. */
async function fieldsOf(response: Response): Promise<unknown> {
  const { errors } = await response.json();
  return [response.status, errors?.map(({ field }: { field: string }) => field)];
}

describe("POST /clients/one/secret", () => {
  it("answers the new secret once, and until when the one before is good: a day, unless told otherwise", async () => {
    const app = await s.createService();
    const response = await rotateClient(app.clientId);
    expect([response.status, response.headers.get("cache-control")]).toEqual([200, "no-store"]);
    const { client_secret: secret, ...rest } = await response.json();
    expect(secret).toMatch(/^sec_[\w-]{43}$/);
    expect(secret).not.toBe(app.secret);
    expect(rest).toEqual({
      client_id: app.clientId,
      client_secret_expires_at: 0,
      previous_secret_expires_at: epoch() + DAY,
    });
    expect([await works(app), await works({ ...app, secret })]).toEqual([200, 200]);
  });

  it("takes an overlap of up to seven days, or none", async () => {
    for (const overlap of [7 * DAY, 1, 0]) {
      const app = await s.createService();
      const answer = await (await rotateClient(app.clientId, { overlap })).json();
      expect(answer.previous_secret_expires_at).toBe(epoch() + overlap);
      expect(await works(app)).toBe(overlap > 0 ? 200 : 401);
    }
  });

  it.each([
    ["a longer overlap", { overlap: 7 * DAY + 1 }, ["overlap"]],
    ["a negative overlap", { overlap: -1 }, ["overlap"]],
    ["half a second", { overlap: 0.5 }, ["overlap"]],
    ["text", { overlap: "1" }, ["overlap"]],
    ["null", { overlap: null }, ["overlap"]],
    ["a secret of one's own choice", { client_secret: "mine" }, ["body"]],
    ["a list", [], ["body"]],
  ])("%s is 422 with the field named, and nothing is rotated", async (_what, body, fields) => {
    const app = await s.createService();
    expect(await fieldsOf(await unchanged(s.t, () => rotateClient(app.clientId, body)))).toEqual([
      422,
      fields,
    ]);
  });

  it("a client that is not there is 404", async () => {
    expect(await refusalOf(await rotateClient("app_nobody"))).toEqual({ status: 404, error: "not_found" });
  });

  it("a client without a secret is 409: a public one, one that signs, an app with a document", async () => {
    const { publicJwk } = await newClientKey();
    const signs = { token_endpoint_auth_method: "private_key_jwt", jwks: { keys: [publicJwk] } };
    for (const app of [await s.createApp(), await s.createService(signs)]) {
      const response = await unchanged(s.t, () => rotateClient(app.clientId));
      expect(await refusalOf(response)).toEqual({ status: 409, error: "conflict" });
    }
  });

  it("an agent's secret is rotated with the agent: 409", async () => {
    const { app } = await createAgent();
    const response = await unchanged(s.t, () => rotateClient(app.clientId));
    expect(await refusalOf(response)).toEqual({ status: 409, error: "conflict" });
  });

  it("a dynamic client's secret can be, and its registration stays its own", async () => {
    const body = { redirect_uris: ["http://127.0.0.1/cb"] };
    const registered = await (await s.c.json("/register", body)).json();
    const answer = await (await rotateClient(registered.client_id)).json();
    const read = await s.c.json(
      new URL(registered.registration_client_uri).pathname,
      { ...body, client_id: registered.client_id, client_secret: answer.client_secret },
      { authorization: `Bearer ${registered.registration_access_token}` },
      "PUT",
    );
    expect(read.status).toBe(200);
  });

  it("the operator and admins rotate, nobody else", async () => {
    const app = await s.createService();
    expect((await rotateClient(app.clientId, { overlap: 0 }, admin)).status).toBe(200);
    const answers = await unchanged(s.t, async () => [
      await rotateClient(app.clientId, {}, ada),
      await rotateClient(app.clientId, {}, {}),
    ]);
    expect(answers.map(({ status }) => status)).toEqual([403, 401]);
  });

  it("tells in the audit trail who did it and when the overlap ends", async () => {
    const app = await s.createService();
    await rotateClient(app.clientId, { overlap: 60 }, admin);
    const [event] = await rowsOf<{ actor: string; client_id: string; data: Json }>(
      s.t.ctx.db.execute(
        sql`select actor, client_id, data from events
          where type = 'client.secret_rotated' and subject = ${`client:${app.clientId}`}`,
      ),
    );
    expect(event).toEqual({
      actor: expect.stringMatching(/^user:/),
      client_id: app.clientId,
      data: { previousSecretExpiresAt: new Date(s.t.ctx.now().getTime() + 60_000).toISOString() },
    });
  });

  it("housekeeping erases an earlier secret when its overlap is over, and not before", async () => {
    const own = await publicServer();
    const app = await own.createService();
    await own.c.json(`/clients/one/secret?client_id=${app.clientId}`, { overlap: 60 }, own.operator);
    const held = async () => {
      await runJobs(own.t.ctx);
      const row = await findClient(own.t.ctx, app.clientId);
      return [row?.previousSecretHash, row?.previousSecretExpiresAt].map((value) => value !== null);
    };
    own.t.advance(59);
    expect(await held()).toEqual([true, true]);
    own.t.advance(1);
    expect(await held()).toEqual([false, false]);
    expect((await own.c.token(app, { grant_type: "client_credentials" })).status).toBe(401);
  });

  it("an earlier secret without an end, which nothing writes, is none", async () => {
    const app = await s.createService();
    const { client_secret: secret } = await (await rotateClient(app.clientId)).json();
    await s.t.ctx.db
      .update(clients)
      .set({ previousSecretExpiresAt: null })
      .where(eq(clients.clientId, app.clientId));
    s.t.advance(1);
    expect([await works(app), await works({ ...app, secret })]).toEqual([401, 200]);
  });
});

describe("POST /agents/{id}/secret", () => {
  it("answers the same of an agent, by any of its ids", async () => {
    const { id, app } = await createAgent();
    const { client_secret: secret, ...rest } = await (await rotateAgent(id, { overlap: 60 })).json();
    expect(rest).toEqual({
      client_id: app.clientId,
      client_secret_expires_at: 0,
      previous_secret_expires_at: epoch() + 60,
    });
    expect([await works(app), await works({ ...app, secret })]).toEqual([200, 200]);
    expect((await rotateAgent(app.clientId, { overlap: 0 })).status).toBe(200);
    expect([await works(app), await works({ ...app, secret })]).toEqual([401, 401]);
  });

  it("whoever owns the agent rotates it, and an admin; to others it is not there", async () => {
    const { id } = await createAgent(ada);
    const grace = sessionOf(await s.c.signIn());
    expect((await rotateAgent(id, { overlap: 0 }, ada)).status).toBe(200);
    expect((await rotateAgent(id, { overlap: 0 }, admin)).status).toBe(200);
    const answers = await unchanged(s.t, async () => [
      await rotateAgent(id, {}, grace),
      await rotateAgent(id, {}, {}),
    ]);
    expect(answers.map(({ status }) => status)).toEqual([404, 401]);
  });

  it("of a session only from our own origin, and not long after the sign-in (D20)", async () => {
    const own = await publicServer();
    const person = await own.c.signIn();
    const cookie = own.c.cookies({ person });
    const { id } = await (
      await own.c.json("/agents", { name: "Agent" }, { ...cookie, origin: ORIGIN })
    ).json();
    const send = (headers: Headers) => own.c.json(`/agents/${id}/secret`, {}, { ...cookie, ...headers });
    expect((await send({ origin: "https://evil.example" })).status).toBe(403);
    own.t.advance(1801);
    expect((await send({ origin: ORIGIN })).status).toBe(403);
  });

  it("an agent that signs with a key of its own has none: 409", async () => {
    const { publicJwk } = await newClientKey();
    const { id } = await createAgent(s.operator, {
      token_endpoint_auth_method: "private_key_jwt",
      jwks: { keys: [publicJwk] },
    });
    const response = await unchanged(s.t, () => rotateAgent(id));
    expect(await refusalOf(response)).toEqual({ status: 409, error: "conflict" });
  });
});
