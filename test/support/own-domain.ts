import { openDatabase } from "@/db/client";
import { migrate } from "@/db/migrate";
import { listening } from "./listening";

/** A server with a database, people and keys of its own, which others know only by what it publishes on its port. */
export async function ownDomain(env: Record<string, string> = {}) {
  const url = "pglite://memory";
  const opened = await openDatabase(url);
  await migrate(opened.db);
  const server = await listening({ env, database: { url, ...opened } });
  const close = async () => {
    await server.close();
    await opened.close();
  };
  return { ...server, close };
}
