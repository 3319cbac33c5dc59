import postgres from "postgres";

/** Creates and drops databases on the PostgreSQL that `url` may administer. */
export function adminDatabase(url: string) {
  const sql = postgres(url, { max: 1, onnotice: () => {} });
  return {
    async create(name: string, template = "template1") {
      await sql`create database ${sql(name)} template ${sql(template)}`;
    },
    /** Drops every database whose name begins so, connections and all. */
    async dropAllLike(prefix: string) {
      const found = await sql<
        { datname: string }[]
      >`select datname from pg_database where starts_with(datname, ${prefix})`;
      for (const { datname } of found) await sql`drop database ${sql(datname)} with (force)`;
    },
    close: () => sql.end(),
  };
}

/** The same server, another database. */
export function withDatabase(url: string, name: string): string {
  const changed = new URL(url);
  changed.pathname = `/${name}`;
  return changed.href;
}
