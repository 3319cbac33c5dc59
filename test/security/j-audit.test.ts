import { sql } from "drizzle-orm";
import { afterEach, beforeAll, describe, expect, it } from "vitest";
import { rowsOf } from "@/db/client";
import { openConsent } from "@/lib/services/consents";
import {
  ADMIN_KEY,
  type App,
  approvalOf,
  basic,
  newBrowser,
  type Person,
  refusalOf,
  tokensOf,
} from "@/test/support/client";
import { unique } from "@/test/support/context";
import { dumpOf, unchanged } from "@/test/support/digest";
import { type PublicServer, publicServer } from "@/test/support/public-server";
import { claimsOf } from "@/test/support/signer";

let s: PublicServer;
let app: App;
let service: App;
let ada: Person;

beforeAll(async () => {
  s = await publicServer();
  app = await s.createApp();
  service = await s.createService();
  ada = await s.c.signIn();
});

const GRANT = { grant_type: "client_credentials" };

/** An address of its own for each request, so that no limit is what answers. */
let peers = 0;
const newPeer = () => `2001:db8:${(++peers).toString(16)}::1`;

describe("191: secrets", () => {
  it("no credential is in the log, in an event, in an error or in the database", async () => {
    const confidential = await s.c.registerConfidential();
    const browser = newBrowser();
    const code = await s.c.codeFor(confidential, {}, { person: ada, browser });
    const first = await tokensOf(await s.c.redeem(confidential, code));
    const second = await tokensOf(await s.c.refresh(confidential, first.refresh_token));
    const csrf = s.c.csrf("account", { person: ada, browser });
    // The same credentials again, where they are refused: refusals are what logs are full of.
    const refusals = [
      await s.c.redeem(confidential, code),
      await s.c.form("/token", { grant_type: "refresh_token", refresh_token: second.refresh_token }),
      await s.c.token(confidential, { grant_type: second.access_token, scope: second.refresh_token }),
      await s.c.token(confidential, { ...GRANT, resource: `https://x.example/${code.code}` }),
      await s.c.call(`/mcp?access_token=${second.access_token}`, {
        headers: { authorization: `Bearer ${first.access_token}` },
      }),
      await s.c.call("/clients", { headers: { "x-admin-key": confidential.secret ?? "" }, peer: newPeer() }),
      await s.c.form("/logout", { csrf: "x" }, { ...s.c.cookies({ person: ada, browser }), origin: "null" }),
      await s.c.form(
        "/introspect",
        { token: second.access_token },
        basic({ ...confidential, secret: code.verifier }),
      ),
    ];
    await s.t.settled();
    const secrets = {
      secret: confidential.secret ?? "",
      ...{ code: code.code, verifier: code.verifier, session: ada.session, browser, csrf },
      ...{ access: first.access_token, refresh: first.refresh_token },
      ...{ nextAccess: second.access_token, nextRefresh: second.refresh_token },
      ...{ operator: ADMIN_KEY, secretKey: s.t.ctx.settings.secretKey },
      database: s.t.ctx.settings.databaseUrl.startsWith("postgres")
        ? s.t.ctx.settings.databaseUrl
        : "postgres://",
    };
    const places = {
      log: s.t.lines.join("\n"),
      database: await dumpOf(s.t.ctx),
      errors: (await Promise.all(refusals.map((response) => response.text()))).join("\n"),
    };
    const found = Object.entries(places).flatMap(([place, text]) =>
      Object.entries(secrets).flatMap(([name, value]) =>
        value && !text.includes(value) ? [] : [`${name} in ${place}`],
      ),
    );
    expect(found).toEqual([]);
  });
});

describe("195: the audit trail", () => {
  it.each([
    ["update", sql`update events set actor = 'nobody'`],
    ["update of one row", sql`update events set data = '{}' where id = (select id from events limit 1)`],
    ["delete", sql`delete from events`],
    ["delete of nothing", sql`delete from events where false`],
    ["truncate", sql`truncate events`],
  ])("%s is refused by the database", async (_, statement) => {
    const count = async () =>
      rowsOf<{ n: string }>(s.t.ctx.db.execute(sql`select count(*)::text as n from events`));
    const before = await count();
    const cause = await s.t.ctx.db.execute(statement).then(
      () => "no refusal",
      (error: unknown) =>
        error instanceof Error && error.cause instanceof Error ? error.cause.message : `${error}`,
    );
    expect([cause, await count()]).toEqual(["events are append-only", before]);
  });
});

describe("196: no effect without its event", () => {
  /** Makes the audit trail refuse one kind of event, as a full disk would refuse all. */
  async function refuseEvents(type: string): Promise<void> {
    await s.t.ctx.db.execute(sql`
      create or replace function refuse_for_test() returns trigger language plpgsql as
      $$ begin raise exception 'the audit trail is full'; end; $$`);
    await s.t.ctx.db.execute(
      sql.raw(
        `create trigger refuse_for_test before insert on events for each row when (new.type = '${type}') execute function refuse_for_test()`,
      ),
    );
  }
  const allowEvents = () => s.t.ctx.db.execute(sql`drop trigger if exists refuse_for_test on events`);
  afterEach(async () => {
    await allowEvents();
    await s.t.ctx.db.execute(sql`drop function if exists refuse_for_test`);
  });
  const FAILED = { status: 500, error: "server_error" };

  it("46: no token for a code, and the code is as good as before", async () => {
    const code = await s.c.codeFor(app, {}, { person: ada });
    await refuseEvents("token.issued");
    const failed = await unchanged(s.t, () => s.c.redeem(app, code));
    const body = await failed.text();
    expect([failed.status, JSON.parse(body).error]).toEqual([500, "server_error"]);
    // 192: what went wrong is for the operator.
    expect(/audit trail|insert|events|\.ts|at /.test(body.replace("What", ""))).toBe(false);
    await allowEvents();
    expect((await s.c.redeem(app, code)).status).toBe(200);
  });

  it("no token for a client, and none of those that share its commit", async () => {
    await refuseEvents("token.issued");
    const answers = await unchanged(s.t, () =>
      Promise.all([s.c.token(service, GRANT), s.c.token(service, GRANT), s.c.token(service, GRANT)]),
    );
    expect(await Promise.all(answers.map(refusalOf))).toEqual([FAILED, FAILED, FAILED]);
  });

  it("no rotation of a refresh token, and it is as good as before", async () => {
    const tokens = await s.c.tokensFor(app, {}, { person: ada });
    await refuseEvents("token.refreshed");
    const failed = await unchanged(s.t, () => s.c.refresh(app, tokens.refresh_token));
    expect(await refusalOf(failed)).toEqual(FAILED);
    await allowEvents();
    expect((await s.c.refresh(app, tokens.refresh_token)).status).toBe(200);
  });

  it("no consent, no client, no resource, no person, no revocation", async () => {
    const tokens = await s.c.tokensFor(app, {}, { person: ada });
    const browser = newBrowser();
    const id = approvalOf(
      await s.c.authorize(s.c.requestOf(app, { prompt: "consent" }), { person: ada, browser }),
    );
    await openConsent(s.t.ctx, { id: id ?? "", userId: ada.user.id, browser });
    const redirect_uris = ["http://127.0.0.1/cb"];
    const { client_id, registration_access_token } = await (
      await s.c.json("/register", { redirect_uris })
    ).json();
    const own = { authorization: `Bearer ${registration_access_token}` };
    const registration = `/register/${client_id}`;
    const rotation = `/clients/one/secret?client_id=${service.clientId}`;
    const attempts: [string, () => Promise<Response>][] = [
      ["consent.approved", () => s.c.consent(id ?? "", { person: ada, browser })],
      ["client.created", () => s.c.json("/register", { redirect_uris: ["http://127.0.0.1/cb"] })],
      ["client.disabled", () => s.setClientStatus(service, "disabled")],
      ["client.secret_rotated", () => s.c.json(rotation, {}, s.operator)],
      ["client.updated", () => s.c.json(registration, { client_id, redirect_uris }, own, "PUT")],
      ["client.deleted", () => s.c.call(registration, { method: "DELETE", headers: own })],
      [
        "resource.created",
        () => s.c.json("/resources", { resource: `https://${unique()}.example`, name: "x" }, s.operator),
      ],
      [
        "user.created",
        () => s.c.json("/users", { email: `${unique()}@example.com`, password: "long enough" }, s.operator),
      ],
      ["token.revoked", () => s.c.form("/revoke", { token: tokens.access_token, client_id: app.clientId })],
    ];
    const statuses = [];
    for (const [type, attempt] of attempts) {
      await refuseEvents(type);
      statuses.push([type, (await unchanged(s.t, attempt)).status]);
      await allowEvents();
    }
    expect(statuses).toEqual(attempts.map(([type]) => [type, 500]));
  });

  it("what failed is told in the log without a credential", async () => {
    const code = await s.c.codeFor(app, {}, { person: ada });
    const before = s.t.lines.length;
    await refuseEvents("token.issued");
    await s.c.redeem(app, code);
    const told = s.t.lines.slice(before).join("\n");
    expect(told).toContain("the audit trail is full");
    expect([told.includes(code.code), told.includes(code.verifier), /eyJ[\w-]+\.eyJ/.test(told)]).toEqual([
      false,
      false,
      false,
    ]);
  });
});

describe("D26: what leaves a trace", () => {
  const eventsOf = async (clientId: string) =>
    (
      await rowsOf<{ type: string }>(
        s.t.ctx.db.execute(sql`select type from events where client_id = ${clientId} order by type`),
      )
    ).map(({ type }) => type);

  it("a refusal of a client that proved itself is one row, and its words hold no credential", async () => {
    const caller = await s.createService();
    await s.c.token(caller, { grant_type: "client_credentials", scope: "beyond" });
    expect(await eventsOf(caller.clientId)).toEqual(["client.created", "token_request.denied"]);
  });

  it("an anonymous refusal is none", async () => {
    const anonymous = await s.createApp();
    await s.c.redeem(anonymous, { code: "ac_unknown", verifier: "x".repeat(43) });
    await s.c.form("/token", { ...GRANT, client_id: "app_nobody", client_secret: "x" }, {}, newPeer());
    expect([await eventsOf(anonymous.clientId), await eventsOf("app_nobody")]).toEqual([
      ["client.created"],
      [],
    ]);
  });

  it("an issued token is one row that names it", async () => {
    const caller = await s.createService();
    const { access_token } = await tokensOf(await s.c.token(caller, GRANT));
    const rows = await rowsOf<{ subject: string }>(
      s.t.ctx.db.execute(
        sql`select subject from events where client_id = ${caller.clientId} and type = 'token.issued'`,
      ),
    );
    expect(rows.map(({ subject }) => subject)).toEqual([`token:${claimsOf(access_token).jti}`]);
  });
});
