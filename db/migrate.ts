import { existsSync } from "node:fs";
import { join } from "node:path";
import { sql } from "drizzle-orm";
import type { MigrationMeta } from "drizzle-orm/migrator";
import { readMigrationFiles } from "drizzle-orm/migrator";
import { type Db, rowsOf } from "./client";

/** One number for all instances: whoever holds it migrates, the others wait and then find nothing to do. */
const MIGRATION_LOCK = 7_203_114;

/** Migrations not yet applied, oldest first, by name and with their statements. */
export async function pendingMigrations(db: Db): Promise<readonly MigrationMeta[]> {
  const applied = await lastApplied(db);
  return migrationFiles().filter((migration) => migration.folderMillis > applied);
}

/** Brings the database up to this release; every migration is forward only and commits on its own. */
export async function migrate(db: Db): Promise<number> {
  await db.transaction(async (tx) => {
    // "if not exists" is no protection against a second migrator in the same moment; the lock is.
    await tx.execute(sql`select pg_advisory_xact_lock(${MIGRATION_LOCK})`);
    await tx.execute(sql`create schema if not exists drizzle`);
    await tx.execute(
      sql`create table if not exists drizzle.__drizzle_migrations (id serial primary key, hash text not null, created_at bigint)`,
    );
  });
  let applied = 0;
  for (const migration of await pendingMigrations(db)) {
    applied += await applyOne(db, migration);
  }
  return applied;
}

async function applyOne(db: Db, migration: MigrationMeta): Promise<number> {
  return db.transaction(async (tx) => {
    // A migration may take long, and so may waiting for another instance's; requests may not.
    await tx.execute(sql`set local statement_timeout = 0`);
    await tx.execute(sql`select pg_advisory_xact_lock(${MIGRATION_LOCK})`);
    if ((await lastApplied(tx)) >= migration.folderMillis) return 0;
    for (const statement of migration.sql) await tx.execute(sql.raw(statement));
    await tx.execute(
      sql`insert into drizzle.__drizzle_migrations (hash, created_at) values (${migration.hash}, ${migration.folderMillis})`,
    );
    return 1;
  });
}

async function lastApplied(db: Db): Promise<number> {
  const [table] = await rowsOf<{ name: string | null }>(
    db.execute(sql`select to_regclass('drizzle.__drizzle_migrations')::text as name`),
  );
  if (!table?.name) return 0;
  const [last] = await rowsOf<{ at: string | number | null }>(
    db.execute(sql`select max(created_at) as at from drizzle.__drizzle_migrations`),
  );
  return Number(last?.at ?? 0);
}

function migrationFiles(): MigrationMeta[] {
  return readMigrationFiles({ migrationsFolder: migrationsFolder() });
}

/** The folder stands beside the program in every layout: checkout, bundle, container. */
function migrationsFolder(): string {
  const folder = join(process.cwd(), "db", "migrations");
  if (!existsSync(folder)) throw new Error(`No migrations in ${folder}: start Authgent from its own folder.`);
  return folder;
}
