import { and, asc, desc, eq, gt, inArray, isNull, ne, sql } from "drizzle-orm";
import { alias } from "drizzle-orm/pg-core";
import { decodeJwt } from "jose";
import { clients } from "@/db/schema/clients";
import { grants } from "@/db/schema/grants";
import { receipts } from "@/db/schema/receipts";
import { resources } from "@/db/schema/resources";
import { accessTokens } from "@/db/schema/tokens";
import type { Context } from "@/lib/context";
import type { AuthorizationDetail } from "@/lib/oauth/authorization-details";
import { parseReceiptClaims } from "@/lib/oauth/receipt";
import { sameJson } from "@/lib/oauth/same-json";

/** An agent that acts for a person now, because one that they allowed handed work on to it. */
export type Delegate = {
  clientId: string;
  name: string;
  /** Where: the name of the resource or agent, or the audience where nobody registered it. */
  place: string;
  scope: readonly string[];
  /** What it may do in detail, by all its tokens for there. */
  details: readonly AuthorizationDetail[];
  until: Date;
};

/** A token may be addressed to an agent, which exchanges it further. */
const addressee = alias(clients, "addressee");

/** More are not told one by one. */
const MAX_DELEGATES = 200;
const MAX_RECEIPTS = 1000;

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
    .where(isPassedOn(ctx, grantIds))
    .orderBy(
      asc(accessTokens.grantId),
      asc(accessTokens.clientId),
      asc(accessTokens.audience),
      sql`${accessTokens.expiresAt} desc`,
    )
    .limit(MAX_DELEGATES);
  const detailsOf = rows.length === 0 ? () => [] : await readDetails(ctx, grantIds);
  const delegates = rows.map(({ grantId, client: name, audience, resource, addressee, ...rest }) => ({
    grantId: grantId ?? "",
    delegate: {
      ...rest,
      name,
      place: resource ?? addressee ?? audience,
      details: detailsOf({ grantId, clientId: rest.clientId, audience }),
    },
  }));
  return new Map(
    grantIds.map((id) => [
      id,
      delegates.filter(({ grantId }) => grantId === id).map(({ delegate }) => delegate),
    ]),
  );
}

const isPassedOn = (ctx: Context, grantIds: readonly string[]) =>
  and(
    inArray(accessTokens.grantId, [...grantIds]),
    gt(accessTokens.expiresAt, ctx.now()),
    isNull(accessTokens.revokedAt),
    isNull(accessTokens.frozenAt),
    sql`cardinality(${accessTokens.lineage}) > 0`,
  );

type Holder = { grantId: string | null; clientId: string; audience: string };

/** Details stand in no column of a token: what a hop passed on, its receipt says. */
async function readDetails(ctx: Context, grantIds: readonly string[]) {
  const rows = await ctx.db
    .select({
      grantId: accessTokens.grantId,
      clientId: accessTokens.clientId,
      audience: accessTokens.audience,
      jws: receipts.jws,
    })
    .from(accessTokens)
    .innerJoin(receipts, eq(receipts.hash, accessTokens.receipt))
    .where(isPassedOn(ctx, grantIds))
    .orderBy(desc(accessTokens.expiresAt))
    .limit(MAX_RECEIPTS);
  const said = rows.flatMap(({ jws, ...holder }) =>
    (parseReceiptClaims(decodeJwt(jws)).authorization_details ?? []).map((detail) => ({
      holder,
      detail,
    })),
  );
  return ({ grantId, clientId, audience }: Holder): AuthorizationDetail[] =>
    said
      .filter(
        ({ holder }) =>
          holder.grantId === grantId && holder.clientId === clientId && holder.audience === audience,
      )
      .map(({ detail }) => detail)
      .filter((detail, index, all) => all.findIndex((other) => sameJson(other, detail)) === index);
}
