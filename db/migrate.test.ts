import { sql } from "drizzle-orm";
import { describe, expect, it } from "vitest";
import { openTestDatabase } from "@/test/support/databases";
import { rowsOf } from "./client";
import { migrate, pendingMigrations } from "./migrate";

describe("migrations", () => {
  it("find nothing to do on a database of this release, also when two start at once", async () => {
    const { db } = await openTestDatabase();
    expect(await pendingMigrations(db)).toEqual([]);
    expect(await Promise.all([migrate(db), migrate(db)])).toEqual([0, 0]);
  });

  it("leave an audit trail that nobody changes, removes from or empties", async () => {
    const { db } = await openTestDatabase();
    for (const change of ["update events set actor = 'x'", "delete from events", "truncate events"]) {
      const refusal = await db.execute(sql.raw(change)).then(
        () => "accepted",
        (error: Error) => String(error.cause),
      );
      expect(refusal).toContain("events are append-only");
    }
  });

  it("leave no foreign key, lookup or single-use guard without an index", async () => {
    const { db } = await openTestDatabase();
    const indexed = await rowsOf<{ name: string }>(
      db.execute(sql`select indexname as name from pg_indexes where schemaname = 'public' order by 1`),
    );
    expect(indexed.map(({ name }) => name)).toEqual(
      expect.arrayContaining([
        "grants_standing_index",
        "refresh_tokens_family_id_index",
        "signing_keys_active_index",
        "signing_keys_next_index",
        "token_families_grant_id_index",
      ]),
    );
  });
});
