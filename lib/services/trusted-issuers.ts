import { and, arrayContains, asc, eq, inArray, like } from "drizzle-orm";
import { trustedIssuers } from "@/db/schema/trusted-issuers";
import { type Context, inTransaction } from "@/lib/context";
import { OAuthError } from "@/lib/errors";
import { rowId } from "@/lib/ids";
import { record } from "./events";
import { registrationProblems } from "./trusted-issuer-rules";

export type TrustedIssuer = typeof trustedIssuers.$inferSelect;

/** The id of an issuer that only the settings name. */
export const FROM_SETTINGS = "settings";

const MAX_ISSUERS = 1000;
const recentKey = (issuer: string): string => `trusted_issuer ${issuer}`;

/** The issuer as it was at most a second ago, also one that is disabled: registered, or else named in the settings. */
export const findTrustedIssuer = (ctx: Context, issuer: string): Promise<TrustedIssuer | undefined> =>
  ctx.recent.read(recentKey(issuer), async () => {
    const rows = await ctx.db
      .select()
      .from(trustedIssuers)
      .where(inArray(trustedIssuers.issuer, spellingsOf(issuer)));
    // The settings forgive a slash: registered with it or without, their word no longer counts.
    return rows.length > 0 ? rows.find((row) => row.issuer === issuer) : fromSettings(ctx.settings, issuer);
  });

/** Whether there is a SPIFFE trust domain that vouches for clients, as of at most a second ago. */
export const vouchesForWorkloads = async (ctx: Context): Promise<boolean | undefined> =>
  ctx.recent.read(VOUCHING, async () => {
    const { issuer, purposes, status } = trustedIssuers;
    const [vouching] = await ctx.db
      .select({ id: trustedIssuers.id })
      .from(trustedIssuers)
      .where(and(like(issuer, "spiffe://%"), arrayContains(purposes, ["client_auth"]), eq(status, "active")))
      .limit(1);
    return vouching !== undefined;
  });

const VOUCHING = "trust domains that vouch for clients";

const withoutSlash = (issuer: string): string => issuer.replace(/\/$/, "");
const spellingsOf = (issuer: string): string[] => [withoutSlash(issuer), `${withoutSlash(issuer)}/`];

function forget({ recent }: Context, issuer: string): void {
  recent.forget(VOUCHING);
  for (const spelling of spellingsOf(issuer)) recent.forget(recentKey(spelling));
}

/** Every issuer we trust, those of the settings last. */
export async function listTrustedIssuers(ctx: Context): Promise<readonly TrustedIssuer[]> {
  const rows = await ctx.db
    .select()
    .from(trustedIssuers)
    .orderBy(asc(trustedIssuers.createdAt), asc(trustedIssuers.id))
    .limit(MAX_ISSUERS);
  const { trustedOidcIssuers, trustedChainingIssuers } = ctx.settings;
  const others = [...new Set([...trustedOidcIssuers, ...trustedChainingIssuers])]
    .filter((issuer) => !rows.some((row) => withoutSlash(row.issuer) === withoutSlash(issuer)))
    .flatMap((issuer) => fromSettings(ctx.settings, issuer) ?? []);
  return [...rows, ...others];
}

/**
 * An issuer that the settings name. It goes by the name it was asked for: that is the one in its tokens, and the one
 * its people are known by.
 */
function fromSettings(settings: Context["settings"], issuer: string): TrustedIssuer | undefined {
  const { trustedOidcIssuers, trustedChainingIssuers, serverUrl } = settings;
  // Our own tokens are judged by what we know of them, never as somebody else's.
  if (withoutSlash(issuer) === serverUrl) return undefined;
  const purposes: TrustedIssuer["purposes"] = [];
  // Whoever wrote the setting may have dropped the slash that some providers end their name with, or added it.
  if (trustedOidcIssuers.some((named) => withoutSlash(named) === withoutSlash(issuer)))
    purposes.push("id_token");
  if (trustedChainingIssuers.includes(issuer)) purposes.push("chaining");
  if (purposes.length === 0) return undefined;
  return {
    id: FROM_SETTINGS,
    issuer,
    name: issuer,
    purposes,
    jwksUri: null,
    audiences: [],
    scope: null,
    people: { create: true, allowedDomains: [] },
    workloads: [],
    status: "active",
    createdAt: BEGINNING,
    createdBy: FROM_SETTINGS,
    updatedAt: BEGINNING,
  };
}

const BEGINNING = new Date(0);

/** What an operator says of an issuer. */
export type IssuerTerms = Omit<TrustedIssuer, "id" | "issuer" | "createdAt" | "createdBy" | "updatedAt">;

/** Trusts an issuer; the same one again is a conflict. */
export async function createTrustedIssuer(
  ctx: Context,
  { issuer, ...terms }: IssuerTerms & { issuer: string },
  actor: string,
): Promise<TrustedIssuer> {
  refuseUnsound(ctx, { issuer, ...terms });
  const created = await inTransaction(ctx, async (tx) => {
    const now = tx.now();
    const [row] = await tx.db
      .insert(trustedIssuers)
      .values({ id: rowId(now), issuer, ...terms, createdAt: now, createdBy: actor, updatedAt: now })
      .onConflictDoNothing()
      .returning();
    if (!row) throw new OAuthError("conflict", `${issuer} is registered already.`);
    await record(tx, { type: "trusted_issuer.created", actor, ...told(row) });
    return row;
  });
  forget(ctx, issuer);
  return created;
}

type Changes = { [Member in keyof IssuerTerms]?: IssuerTerms[Member] | undefined };

/** Changes what is said of an issuer; its name stays, because its people are known by it. */
export async function updateTrustedIssuer(
  ctx: Context,
  id: string,
  changes: Changes,
  actor: string,
): Promise<TrustedIssuer> {
  const changed = await inTransaction(ctx, async (tx) => {
    const [row] = await tx.db
      .update(trustedIssuers)
      .set({ ...changes, updatedAt: tx.now() })
      .where(eq(trustedIssuers.id, id))
      .returning();
    if (!row) throw unknownIssuer();
    // What was said and what is said now have to make sense together.
    refuseUnsound(tx, row);
    await record(tx, { type: "trusted_issuer.updated", actor, ...told(row) });
    return row;
  });
  forget(ctx, changed.issuer);
  return changed;
}

/** Trusts an issuer no longer; its people stay known, for the day it comes back. */
export async function removeTrustedIssuer(ctx: Context, id: string, actor: string): Promise<void> {
  const removed = await inTransaction(ctx, async (tx) => {
    const [row] = await tx.db.delete(trustedIssuers).where(eq(trustedIssuers.id, id)).returning();
    if (!row) throw unknownIssuer();
    await record(tx, { type: "trusted_issuer.removed", actor, ...told(row) });
    return row;
  });
  forget(ctx, removed.issuer);
}

const unknownIssuer = () => new OAuthError("not_found", "There is no trusted issuer with this id.");

function refuseUnsound({ settings }: Context, issuer: IssuerTerms & { issuer: string }): void {
  const errors = registrationProblems(issuer, settings.serverUrl);
  if (errors.length === 0) return;
  const words = errors.map(({ field, message }) => `${field}: ${message}`).join("; ");
  throw new OAuthError("validation_failed", words, { members: { errors } });
}

const told = ({
  issuer,
  name,
  purposes,
  status,
  jwksUri,
  audiences,
  scope,
  people,
  workloads,
}: TrustedIssuer) => ({
  subject: `issuer:${issuer}`,
  data: { name, purposes, status, jwksUri, audiences, scope, people, workloads },
});
