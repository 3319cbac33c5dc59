import { randomBytes } from "node:crypto";
import type { TestProject } from "vitest/node";
import { openDatabase } from "@/db/client";
import { migrate } from "@/db/migrate";
import { buildTemplate } from "@/scripts/build-template.mjs";
import { adminDatabase, withDatabase } from "./postgres";

declare module "vitest" {
  interface ProvidedContext {
    /** What every worker's database is a copy of: a dumped PGlite directory, or a PostgreSQL database. */
    databaseTemplate: string;
  }
}

/** Makes the migrated database that tests start from, once for a run; removes what it left on PostgreSQL. */
export default async function setup(project: TestProject) {
  const adminUrl = process.env.TEST_DATABASE_URL;
  if (!adminUrl) {
    project.provide("databaseTemplate", await buildTemplate());
    return;
  }
  const template = `authgent_test_${randomBytes(6).toString("hex")}`;
  const admin = adminDatabase(adminUrl);
  await admin.create(template);
  const { db, close } = await openDatabase(withDatabase(adminUrl, template), { poolSize: 1 });
  await migrate(db);
  await close();
  project.provide("databaseTemplate", template);

  return async () => {
    await admin.dropAllLike(template);
    await admin.close();
  };
}
