import { sql } from "drizzle-orm";
import type { Context } from "@/lib/context";
import { OAuthError } from "@/lib/errors";
import { json } from "./json";

/** `GET /health`: the process lives. */
export const healthEndpoint = async (): Promise<Response> => json({ status: "ok" });

/** `GET /ready`: requests can be answered now, by the database and with a key to sign with. */
export async function readyEndpoint(ctx: Context): Promise<Response> {
  await ctx.db.execute(sql`select 1`);
  const { keys } = await ctx.keys.jwks();
  if (keys.length === 0)
    throw new OAuthError("temporarily_unavailable", "There is no signing key yet.", {
      headers: { "retry-after": "1" },
    });
  return json({ status: "ready", db: "ok", keys: "ok" });
}
