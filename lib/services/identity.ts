import { eq } from "drizzle-orm";
import { identities, users } from "@/db/schema/users";
import type { Context } from "@/lib/context";
import type { PersonClaims } from "@/lib/oauth/id-token";
import { identityScope, isIdentityScope } from "@/lib/oauth/identity-scope";
import type { Client } from "./clients";
import { LINK_ADMIN_EMAIL } from "./first-admin";
import { listResourcesRecently } from "./resources";
import { withinLimit } from "./targets";

type At = { resource: string; scope: readonly string[] };

/**
 * What a request asks to know of the person, as far as this client may ask for it; a scope that the resource itself
 * calls by one of these names is the resource's and says nothing of a person there (product decision D30).
 */
export async function identityAskedFor(ctx: Context, client: Client, at: At): Promise<readonly string[]> {
  return identityScope(withinLimit(client, await identityNames(ctx, at)));
}

/** What of a granted scope lets an app know who the person is. */
export const identityGranted = async (ctx: Context, at: At): Promise<readonly string[]> =>
  identityScope(await identityNames(ctx, at));

/** A scope without `profile` and `email` where `openid` was not given with them: alone they say nothing. */
export async function withoutStrays(ctx: Context, at: At): Promise<readonly string[]> {
  const names = await identityNames(ctx, at);
  const strays = names.includes("openid") ? [] : names;
  return at.scope.filter((name) => !strays.includes(name));
}

async function identityNames(ctx: Context, { resource, scope }: At): Promise<readonly string[]> {
  const names = scope.filter(isIdentityScope);
  if (names.length === 0 || resource === ctx.settings.serverUrl) return names;
  const known = await listResourcesRecently(ctx);
  const own = known.find((each) => each.resource === resource)?.scopes ?? [];
  return names.filter((name) => !own.some((scope) => scope.name === name));
}

/** What an app is told of a person, by the identity scopes they gave it (OIDC Core §5.4). */
export async function personClaims(
  ctx: Context,
  { userId, scope }: { userId: string; scope: readonly string[] },
): Promise<PersonClaims> {
  const rows = await ctx.db
    .select({ name: users.name, email: users.email, localEmail: users.localEmail, issuer: identities.issuer })
    .from(users)
    .leftJoin(identities, eq(identities.userId, users.id))
    .where(eq(users.id, userId));
  const [person] = rows;
  if (!person) throw new Error(`tokens of ${userId}, whom nobody knows`);
  const { name, email, localEmail } = person;
  const tellsEmail = scope.includes("email") && email !== "";
  const issuers = rows.flatMap(({ issuer }) => issuer ?? []);
  return {
    // Who has no name is called by their address here, which is not theirs to give away with a name.
    ...(scope.includes("profile") && (tellsEmail || name !== email) && { name }),
    ...(tellsEmail && { email, email_verified: isVouchedFor(ctx, { localEmail, issuers }) }),
  };
}

/**
 * Whether somebody else than the person says that the address is theirs (OIDC Core §5.1, `email_verified`): the operator
 * who made their account, or a provider that is believed only with addresses it has verified.
 */
function isVouchedFor(
  { settings }: Context,
  { localEmail, issuers }: { localEmail: string | null; issuers: readonly string[] },
): boolean {
  if (localEmail !== null) return localEmail !== LINK_ADMIN_EMAIL;
  return settings.providers.some(
    ({ issuer, allowedDomains }) => allowedDomains.length > 0 && issuers.includes(issuer),
  );
}
