import { sql } from "drizzle-orm";
import { expect } from "vitest";
import { rowsOf } from "@/db/client";
import type { Context } from "@/lib/context";
import type { TestContext } from "./context";

type Database = Pick<Context, "db">;

/** What a refusal may leave behind: its trace, and its count. */
const TRACES = ["events", "rate_limits"];

/** Columns that say when something was last seen, and change without anybody's intent. */
const VOLATILE = ["last_used_at", "last_seen_at", "last_sign_in_at"];

async function tablesOf({ db }: Database): Promise<string[]> {
  const rows = await rowsOf<{ name: string }>(
    db.execute(sql`select table_name as name from information_schema.tables where table_schema = 'public'`),
  );
  return rows.map(({ name }) => name).sort();
}

/** Every row of every table as text, the way a dump of the database holds it. */
export async function dumpOf(ctx: Database): Promise<string> {
  const tables = (await tablesOf(ctx)).map(async (table) => {
    const name = sql.identifier(table);
    const rows = await rowsOf<{ row: string }>(ctx.db.execute(sql`select ${name}::text as row from ${name}`));
    return [table, ...rows.map(({ row }) => row)].join("\n");
  });
  return (await Promise.all(tables)).join("\n");
}

/** A digest of each table's rows, without traces and volatile columns: equal means that nothing changed. */
export async function digestOf(ctx: Database, but: readonly string[] = []): Promise<Record<string, string>> {
  const counted = (await tablesOf(ctx)).filter((table) => ![...TRACES, ...but].includes(table));
  const digests = counted.map(async (table) => {
    const name = sql.identifier(table);
    const stable = VOLATILE.reduce((row, column) => sql`${row} - ${column}::text`, sql`to_jsonb(${name})`);
    const [answer] = await rowsOf<{ digest: string | null }>(
      ctx.db.execute(
        sql`select md5(string_agg(line, E'\n' order by line)) as digest from (select (${stable})::text as line from ${name}) lines`,
      ),
    );
    return [table, answer?.digest ?? "empty"] as const;
  });
  return Object.fromEntries(await Promise.all(digests));
}

/** Runs what must be refused, and holds that the database is the same afterwards, but for the tables that are named. */
export async function unchanged<T>(
  { ctx }: TestContext,
  act: () => Promise<T>,
  but: readonly string[] = [],
): Promise<T> {
  const before = await digestOf(ctx, but);
  const result = await act();
  expect(await digestOf(ctx, but)).toEqual(before);
  return result;
}

/** A proof that was good is used up, whatever comes of the request that it came with (RFC 9449 §11.1). */
export const PROOFS = ["used_assertions"];
