import { and, asc, eq, gt, inArray, isNull, ne, sql } from "drizzle-orm";
import { alias } from "drizzle-orm/pg-core";
import { clients } from "@/db/schema/clients";
import { grants } from "@/db/schema/grants";
import { resources } from "@/db/schema/resources";
import { accessTokens } from "@/db/schema/tokens";
import type { Context } from "@/lib/context";

/** An agent that acts for a person now, because one that they allowed handed work on to it. */
export type Delegate = {
  clientId: string;
  name: string;
  /** Where: the name of the resource or agent, or the audience where nobody registered it. */
  place: string;
  scope: readonly string[];
  until: Date;
};

/** A token may be addressed to an agent, which exchanges it further. */
const addressee = alias(clients, "addressee");

/** More are not told one by one. */
const MAX_DELEGATES = 200;

/** Whom the holders of these grants handed work on to, as far as the tokens of it have not ended. */
export async function listDelegates(
  ctx: Context,
  grantIds: readonly string[],
): Promise<ReadonlyMap<string, readonly Delegate[]>> {
  if (grantIds.length === 0) return new Map();
  const rows = await ctx.db
    .selectDistinctOn([accessTokens.grantId, accessTokens.clientId, accessTokens.audience], {
      grantId: accessTokens.grantId,
      clientId: accessTokens.clientId,
      client: clients.name,
      audience: accessTokens.audience,
      resource: resources.name,
      addressee: addressee.name,
      scope: accessTokens.scope,
      until: accessTokens.expiresAt,
    })
    .from(accessTokens)
    .innerJoin(clients, and(eq(clients.clientId, accessTokens.clientId), eq(clients.status, "active")))
    // What the app exchanged for itself is not passed on yet.
    .innerJoin(grants, and(eq(grants.id, accessTokens.grantId), ne(grants.clientId, accessTokens.clientId)))
    .leftJoin(resources, eq(resources.resource, accessTokens.audience))
    .leftJoin(addressee, eq(addressee.clientId, accessTokens.audience))
    .where(
      and(
        inArray(accessTokens.grantId, [...grantIds]),
        gt(accessTokens.expiresAt, ctx.now()),
        isNull(accessTokens.revokedAt),
        isNull(accessTokens.frozenAt),
        sql`cardinality(${accessTokens.lineage}) > 0`,
      ),
    )
    .orderBy(
      asc(accessTokens.grantId),
      asc(accessTokens.clientId),
      asc(accessTokens.audience),
      sql`${accessTokens.expiresAt} desc`,
    )
    .limit(MAX_DELEGATES);
  const delegates = rows.map(({ grantId, client: name, audience, resource, addressee, ...rest }) => ({
    grantId: grantId ?? "",
    delegate: { ...rest, name, place: resource ?? addressee ?? audience },
  }));
  return new Map(
    grantIds.map((id) => [
      id,
      delegates.filter(({ grantId }) => grantId === id).map(({ delegate }) => delegate),
    ]),
  );
}
