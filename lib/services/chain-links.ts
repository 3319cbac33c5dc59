import { inArray } from "drizzle-orm";
import type { ChainLink } from "@/db/schema/approvals";
import { clients } from "@/db/schema/clients";
import { accessTokens } from "@/db/schema/tokens";
import type { Context } from "@/lib/context";
import { userIdOf } from "@/lib/oauth/subject";
import { nameOf } from "./named-people";
import { findUser } from "./users";

type Links = {
  /** `user:<id>` or `client:<client_id>`. */
  subject: string;
  /** The `jti` of every token that the requester's descends from, the first first. */
  lineage: readonly string[];
  requester: { clientId: string; name: string; scope: readonly string[] };
};

/** Everybody between the subject and the requester, with what each of them held: a person first, the requester last. */
export async function chainLinksOf(
  ctx: Context,
  { subject, lineage, requester }: Links,
): Promise<ChainLink[]> {
  const held = lineage.length > 0 ? await tokensHeld(ctx, lineage) : [];
  const { clientId, name, scope } = requester;
  const all = [...held, { sub: `client:${clientId}`, name, scope: [...scope] }];
  // Who exchanged a token of their own is one party, and holds what came of it.
  const links = all.filter(({ sub }, index) => all[index + 1]?.sub !== sub);
  const userId = userIdOf(subject);
  const person = userId === undefined ? undefined : await findUser(ctx, userId);
  return person ? [{ sub: subject, name: nameOf(person), scope: links[0]?.scope ?? [] }, ...links] : links;
}

async function tokensHeld(ctx: Context, lineage: readonly string[]): Promise<ChainLink[]> {
  const rows = await ctx.db
    .select({ jti: accessTokens.jti, clientId: accessTokens.clientId, scope: accessTokens.scope })
    .from(accessTokens)
    .where(inArray(accessTokens.jti, [...lineage]));
  const holders = rows.map(({ clientId }) => clientId);
  const named = await ctx.db
    .select({ clientId: clients.clientId, name: clients.name })
    .from(clients)
    .where(inArray(clients.clientId, holders));
  const names = new Map(named.map(({ clientId, name }) => [clientId, name]));
  const byJti = new Map(rows.map((row) => [row.jti, row]));
  return lineage.flatMap((jti) => {
    const row = byJti.get(jti);
    if (!row) return [];
    return [
      { sub: `client:${row.clientId}`, name: names.get(row.clientId) ?? row.clientId, scope: row.scope },
    ];
  });
}
