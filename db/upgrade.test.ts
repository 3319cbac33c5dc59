import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sql } from "drizzle-orm";
import { afterAll, beforeAll, describe, expect, inject, it, vi } from "vitest";
import { findSession } from "@/lib/services/sessions";
import { verifyAccessToken } from "@/lib/services/token-state";
import { basic, type Connection, connect, tokensOf } from "@/test/support/client";
import { testContext } from "@/test/support/context";
import { onPostgres, openTestDatabase, type TestDatabase } from "@/test/support/databases";
import { delegation } from "@/test/support/delegation";
import { adminDatabase, withDatabase } from "@/test/support/postgres";
import { type Db, openDatabase, rowsOf } from "./client";
import { migrate, pendingMigrations } from "./migrate";
import released from "./release-0.1.0.json" with { type: "json" };

type Row = Record<string, unknown>;

const MIGRATIONS_OF_0_1_0 = ["0000_init", "0001_append_only_events"];
/** Tables in an order that foreign keys allow, with every row as 0.1.0 itself wrote it. */
const tables: Readonly<Record<string, readonly Row[]>> = released.tables;
const { app, job, session } = released.holders;

let database: TestDatabase;
let before: Record<string, Row[]>;
let after: Record<string, Row[]>;
let c: Connection;
let ctx: Awaited<ReturnType<typeof testContext>>["ctx"];

beforeAll(async () => {
  database = await openEmptyDatabase();
  const { db } = database;
  await migrateTo(MIGRATIONS_OF_0_1_0, db);
  for (const [table, rows] of Object.entries(tables)) {
    await db.execute(sql`insert into ${sql.identifier(table)}
      select * from json_populate_recordset(null::${sql.identifier(table)}, ${JSON.stringify(rows)}::text::json)`);
  }
  before = await rowsOfAll(db);
  await migrate(db);
  after = await rowsOfAll(db);

  const t = await testContext({ database, env: { AUTHGENT_SECRET_KEY: released.secretKey } });
  // Back to when the rows were written: what was alive then is to be alive now.
  t.advance((Date.parse(released.at) - t.ctx.now().getTime()) / 1000);
  ctx = t.ctx;
  c = connect(t);
});
afterAll(() => database.close());

/** A database with nothing in it. */
async function openEmptyDatabase(): Promise<TestDatabase> {
  if (!onPostgres) return { url: "pglite://memory", ...(await openDatabase("pglite://memory")) };
  const { url: nextToIt } = await openTestDatabase();
  // The run drops every database that is named after its template.
  const name = `${inject("databaseTemplate")}_upgrade`;
  const admin = adminDatabase(nextToIt);
  await admin.create(name);
  await admin.close();
  const url = withDatabase(nextToIt, name);
  return { url, ...(await openDatabase(url)) };
}

/** Migrates as a release with only these migrations does: from the folder it is started in. */
async function migrateTo(tags: readonly string[], db: Db): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "authgent-release-"));
  const journalFile = join(folder, "db", "migrations", "meta", "_journal.json");
  await cp(join(process.cwd(), "db", "migrations"), join(folder, "db", "migrations"), { recursive: true });
  const journal: { entries: { tag: string }[] } = JSON.parse(await readFile(journalFile, "utf8"));
  const entries = journal.entries.filter(({ tag }) => tags.includes(tag));
  await writeFile(journalFile, JSON.stringify({ ...journal, entries }));
  const startedIn = vi.spyOn(process, "cwd").mockReturnValue(folder);
  try {
    expect(await migrate(db)).toBe(tags.length);
  } finally {
    startedIn.mockRestore();
    await rm(folder, { recursive: true });
  }
}

/** Every row of every table, sorted and with times in UTC, as the fixture is. */
const rowsOfAll = (db: Db): Promise<Record<string, Row[]>> =>
  db.transaction(async (tx) => {
    await tx.execute(sql`set local timezone = 'UTC'`);
    const names = await rowsOf<{ name: string }>(
      tx.execute(sql`select tablename as name from pg_tables where schemaname = 'public' order by 1`),
    );
    const all: Record<string, Row[]> = {};
    for (const { name } of names) {
      const table = sql.identifier(name);
      const found = await rowsOf<{ row: Row }>(
        tx.execute(sql`select to_jsonb(t) as row from ${table} t order by t::text collate "C"`),
      );
      all[name] = found.map(({ row }) => row);
    }
    return all;
  });

/** The rows with only these columns. */
const only = (rows: readonly Row[], columns: readonly string[]): Row[] =>
  rows.map((row) => Object.fromEntries(columns.map((column) => [column, row[column]])));

const columnsOf = (rows: readonly Row[] | undefined): string[] => Object.keys(rows?.[0] ?? {});

describe("a database of 0.1.0 with rows in every table, once this release has migrated it", () => {
  it("had what 0.1.0 wrote, and nothing else", () => {
    expect(before).toEqual(tables);
    expect(Object.keys(tables).filter((name) => tables[name]?.length === 0)).toEqual([]);
  });

  it("has every row unchanged in the columns it had", () => {
    for (const [name, rows] of Object.entries(tables)) {
      expect(only(after[name] ?? [], columnsOf(rows)), name).toEqual(rows);
    }
  });

  it("has the defaults in the columns that are new", () => {
    const added = Object.entries(tables).flatMap(([name, rows]) => {
      const columns = columnsOf(after[name]).filter((column) => !columnsOf(rows).includes(column));
      return columns.length === 0 ? [] : [[name, only(after[name] ?? [], columns)] as const];
    });
    const stays = { frozen_at: null, approval_id: null };
    expect(Object.fromEntries(added)).toEqual({
      access_tokens: Array(4).fill({
        ...{ ...stays, lineage: [], receipt: null, policy_version: null, approved_scope: null },
      }),
      approvals: Array(2).fill({
        ...{ granted_details: null, act: null, digest: null, risk: "medium", quorum: 1, four_eyes: false },
        ...{ subject_user_id: null, owner_id: null, approver_ids: [], approver_groups: [] },
        ...{ binding_code: null, match_number: false, wrong_numbers: 0, interval: 5, polled_at: null },
        ...{ sealed_request: null, sealed_ping: null, decided_by: null, reason: null, changed_at: null },
        ...{ auth_time: null, amr: null },
      }),
      authorization_codes: Array(2).fill({ authorization_details: null, dpop_jkt: null }),
      clients: Array(3).fill({
        ...{ not_before: null, status_by: null, frozen_with: [] },
        ...{ previous_secret_hash: null, previous_secret_expires_at: null, registration_token_hash: null },
        ...{ jwks: null, jwks_uri: null, assertion_alg: null, legacy_assertion_audience: false },
        ...{ spiffe_id: null, dpop_bound_access_tokens: false, authorization_details_types: null },
        ...{ require_pushed_authorization_requests: false, id_jag_targets: [] },
        ...{ backchannel_token_delivery_mode: null, backchannel_client_notification_endpoint: null },
      }),
      installation: [{ vapid_key_jwe: null }],
      refresh_tokens: Array(2).fill({ authorization_details: null, jkt: null, instance_jkt: null }),
      resources: Array(3).fill({
        authorization_details_types: [],
        dpop_bound_access_tokens_required: false,
      }),
      token_families: [stays],
      users: Array(3).fill({ groups: [] }),
    });
  });

  it("has nothing in the tables that are new", () => {
    const added = Object.entries(after).filter(([name]) => !(name in tables));
    expect(Object.fromEntries(added)).toEqual({
      agents: [],
      approval_decisions: [],
      approval_messages: [],
      device_codes: [],
      outbox: [],
      passkeys: [],
      push_subscriptions: [],
      pushed_requests: [],
      receipts: [],
      standing_approvals: [],
      trusted_issuers: [],
      used_assertions: [],
    });
  });

  it("has nothing left to migrate", async () => {
    expect(await pendingMigrations(database.db)).toEqual([]);
    expect(await migrate(database.db)).toBe(0);
    expect(await rowsOf(database.db.execute(sql`select 1 from drizzle.__drizzle_migrations`))).toHaveLength(
      7,
    );
  });

  it("still lets nobody change, remove or empty the audit trail", async () => {
    for (const change of ["update events set actor = 'x'", "delete from events", "truncate events"]) {
      const refusal = await database.db.execute(sql.raw(change)).then(
        () => "accepted",
        (error: Error) => String(error.cause),
      );
      expect(refusal).toContain("events are append-only");
    }
  });
});

describe("what 0.1.0 issued, at this release", () => {
  it("an access token still counts, with the lineage of one that was never exchanged", async () => {
    const { claims, scope, row, username } = await verifyAccessToken(ctx, app.accessToken);
    expect([claims.aud, scope]).toEqual(["https://notes.example/mcp", ["notes:read", "notes:write"]]);
    expect([row.lineage, row.receipt, row.frozenAt, username]).toEqual([
      [],
      null,
      null,
      released.holders.email,
    ]);
    expect((await verifyAccessToken(ctx, job.accessToken)).claims.sub).toBe(`client:${job.clientId}`);
  });

  it("a revoked access token stays revoked", async () => {
    await expect(verifyAccessToken(ctx, job.revokedAccessToken)).rejects.toThrow("The token was revoked");
  });

  it("a code is redeemed", async () => {
    const tokens = await tokensOf(await c.redeem(app, app));
    expect(tokens.scope).toBe("notes:read notes:write");
    expect((await verifyAccessToken(ctx, tokens.access_token)).claims.client_id).toBe(app.clientId);
  });

  it("a used refresh token gets the answer again that was sealed then, a live one gets a new pair", async () => {
    const again = await tokensOf(await c.refresh(app, app.usedRefreshToken));
    expect([again.access_token, again.refresh_token]).toEqual([app.accessToken, app.refreshToken]);
    const fresh = await tokensOf(await c.refresh(app, app.refreshToken));
    expect((await verifyAccessToken(ctx, fresh.access_token)).scope).toEqual(["notes:read", "notes:write"]);
  });

  it("a session still says who is signed in", async () => {
    expect((await findSession(ctx, session))?.user.email).toBe(released.holders.email);
  });

  it("an access token can be exchanged, and what comes of it dies with it", async () => {
    const d = delegation(c);
    const agent = await d.createAgent(["jobs:run"]);
    const { access_token } = await d.exchanged(agent, job.accessToken);
    const parent = (await verifyAccessToken(ctx, job.accessToken)).claims.jti;
    expect((await verifyAccessToken(ctx, access_token)).row.lineage).toEqual([parent]);
    await c.form("/revoke", { token: job.accessToken }, basic(job));
    await expect(verifyAccessToken(ctx, access_token)).rejects.toThrow("The token was revoked");
  });
});
