import { randomBytes } from "node:crypto";
import { openAsBlob } from "node:fs";
import { inject } from "vitest";
import { type Db, openDatabase } from "@/db/client";
import { adminDatabase, withDatabase } from "./postgres";

/** Whether this run's database is PostgreSQL, where several connections race; PGlite has one. */
export const onPostgres = Boolean(process.env.TEST_DATABASE_URL);

export type TestDatabase = { db: Db; url: string; close(): Promise<void> };

/** Files of one worker share its database, but not its modules, so it is kept where both see it. */
const worker: typeof globalThis & { testDatabase?: Promise<TestDatabase> } = globalThis;

/** The migrated database of this worker, opened once; each test empties the tables it starts from. */
export function openTestDatabase(): Promise<TestDatabase> {
  worker.testDatabase ??= onPostgres ? createOnPostgres() : createOnPglite();
  return worker.testDatabase;
}

/** The same database as another instance sees it: a pool of its own on PostgreSQL, the same one on PGlite. */
export async function openSecondConnection(): Promise<TestDatabase> {
  const first = await openTestDatabase();
  if (!onPostgres) return { ...first, close: async () => {} };
  return { url: first.url, ...(await openDatabase(first.url, { poolSize: 10 })) };
}

async function createOnPglite(): Promise<TestDatabase> {
  const url = "pglite://memory";
  return { url, ...(await openDatabase(url, { template: () => openAsBlob(inject("databaseTemplate")) })) };
}

async function createOnPostgres(): Promise<TestDatabase> {
  const adminUrl = process.env.TEST_DATABASE_URL ?? "";
  const template = inject("databaseTemplate");
  const name = `${template}_${randomBytes(4).toString("hex")}`;
  const admin = adminDatabase(adminUrl);
  await admin.create(name, template);
  await admin.close();
  const url = withDatabase(adminUrl, name);
  return { url, ...(await openDatabase(url, { poolSize: 10 })) };
}
