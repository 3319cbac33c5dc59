import type { PgDatabase, PgQueryResultHKT } from "drizzle-orm/pg-core";
import type { Sql } from "postgres";
import * as schema from "./schema/index";

/** The one database type services see: PGlite, PostgreSQL and an open transaction all satisfy it. */
export type Db = PgDatabase<PgQueryResultHKT, typeof schema>;

export type OpenedDatabase = {
  db: Db;
  /** `pglite` is this process's own; `postgres` is shared with other instances. */
  kind: "pglite" | "postgres";
  close(): Promise<void>;
};

type Options = {
  /** Connections to PostgreSQL. */
  poolSize?: number;
  /** A migrated, gzipped data directory to start a new embedded database from. */
  template?: () => Promise<Blob | undefined>;
};

/** Opens `postgres://…`, `pglite://memory` or `pglite://PATH`; the embedded one is locked to this process. */
export async function openDatabase(url: string, options: Options = {}): Promise<OpenedDatabase> {
  return /^postgres(ql)?:/.test(url)
    ? openPostgres(url, options)
    : openEmbedded(url.slice("pglite://".length), options);
}

async function openPostgres(url: string, { poolSize = 10 }: Options): Promise<OpenedDatabase> {
  const [{ default: postgres }, { drizzle }] = await Promise.all([
    import("postgres"),
    import("drizzle-orm/postgres-js"),
  ]);
  const client = postgres(url, {
    max: poolSize,
    connect_timeout: 5,
    idle_timeout: 60,
    // "relation already exists, skipping" and the like are no news to anybody.
    onnotice: () => {},
    connection: {
      application_name: "authgent",
      statement_timeout: 5000,
      idle_in_transaction_session_timeout: 10_000,
    },
  });
  prepareStatements(client);
  const db = drizzle({ client, schema, casing: "snake_case" });
  return { db, kind: "postgres", close: () => client.end({ timeout: 5 }) };
}

/**
 * Lets PostgreSQL keep the plan of every statement with parameters: Drizzle sends its queries through `unsafe`, which
 * would have each one parsed and planned anew, in two round trips.
 */
function prepareStatements(client: Sql): void {
  const unsafe = client.unsafe.bind(client);
  client.unsafe = (query, parameters, options) =>
    unsafe(query, parameters, { prepare: (parameters?.length ?? 0) > 0, ...options });
}

async function openEmbedded(path: string, { template }: Options): Promise<OpenedDatabase> {
  const [{ PGlite }, { drizzle }] = await Promise.all([
    import("@electric-sql/pglite"),
    import("drizzle-orm/pglite"),
  ]);
  const { prepareDirectory } = await import("./directory-lock");
  const directory = path === "memory" ? undefined : await prepareDirectory(path);
  const client = await PGlite.create({
    ...(directory ? { dataDir: directory.path } : {}),
    ...(await initialData(directory?.isNew ?? true, template)),
  });
  const db = drizzle({ client, schema, casing: "snake_case" });
  return {
    db,
    kind: "pglite",
    async close() {
      await client.close();
      await directory?.release();
    },
  };
}

async function initialData(isNew: boolean, template: Options["template"]): Promise<{ loadDataDir?: Blob }> {
  const dump = isNew && template ? await template() : undefined;
  return dump ? { loadDataDir: dump } : {};
}

/** The rows of a hand-written statement, whichever driver ran it. */
export async function rowsOf<Row>(result: Promise<unknown>): Promise<readonly Row[]> {
  const answer = (await result) as readonly Row[] | { rows: readonly Row[] };
  return Array.isArray(answer) ? answer : (answer as { rows: readonly Row[] }).rows;
}
