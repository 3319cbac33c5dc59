import { openDatabase } from "@/db/client";
import { migrate as applyMigrations, pendingMigrations } from "@/db/migrate";
import { loadSettings } from "@/lib/settings";
import type { Command } from "../command";

/** Brings the database up to this release; with --dry-run it only shows what would run. */
export const migrate: Command = {
  name: "migrate",
  summary: "Bring the database up to this release",
  usage: "[--dry-run]",
  options: { "dry-run": { type: "boolean", about: "only show the SQL that would run" } },

  async run(options) {
    const { settings } = loadSettings();
    const { db, close } = await openDatabase(settings.migrationDatabaseUrl ?? settings.databaseUrl, {
      poolSize: 1,
    });
    try {
      if (!options["dry-run"]) return `${await applyMigrations(db)} migrations applied.`;
      const pending = await pendingMigrations(db);
      if (pending.length === 0) return "Nothing to do: the database is up to date.";
      return pending.flatMap(({ sql }) => sql.map((statement) => statement.trim())).join(";\n\n");
    } finally {
      await close();
    }
  },
};
