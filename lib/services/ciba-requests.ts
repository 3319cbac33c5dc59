import type { Role } from "@/db/schema/resources";
import type { Context } from "@/lib/context";
import { OAuthError } from "@/lib/errors";
import { isIdentityScope } from "@/lib/oauth/identity-scope";
import { unionScope } from "@/lib/oauth/scope";
import { isTheirsAlone } from "./approval-by-consent";
import { rulingOf } from "./approval-rules";
import type { Client } from "./clients";
import { readIdToken } from "./id-tokens";
import { identityAskedFor } from "./identity";
import { findActivePerson } from "./named-people";
import { grantableScope, meantScope, requestedScope, resolveTarget } from "./targets";
import type { User } from "./users";

type Hints = {
  login_hint?: string | undefined;
  id_token_hint?: string | undefined;
  login_hint_token?: string | undefined;
};

/** The person whom a client names, in exactly one way (CIBA Core §7.1). */
export async function personHinted(ctx: Context, client: Client, hints: Hints): Promise<User> {
  const { login_hint: login, id_token_hint: idToken, login_hint_token: token } = hints;
  if ([login, idToken, token].filter(Boolean).length !== 1)
    throw new OAuthError("invalid_request", "Name the person by one of login_hint and id_token_hint.");
  if (token)
    throw new OAuthError("invalid_request", "login_hint_token is not supported. Send login_hint instead.");
  // It only names the person, who is asked: nothing has to be left of the sign-in, or of the answer, that it came from.
  const hint = idToken ? (await readIdToken(ctx, idToken, client.clientId)).sub : (login ?? "");
  const person = await findActivePerson(ctx, hint);
  if (person) return person;
  throw new OAuthError(
    "unknown_user_id",
    "Nobody here is called so. Send as login_hint an e-mail address or user id.",
  );
}

type Asking = {
  client: Client;
  resource: string | undefined;
  asked: readonly string[];
  role: Role;
};

/** What a person may give a client of what it asks for, as at the authorization endpoint; `openid` may stand alone. */
export async function cibaScope(
  ctx: Context,
  { client, resource, asked, role }: Asking,
): Promise<readonly string[]> {
  const target = await resolveTarget(ctx, client, resource);
  const identity = await identityAskedFor(ctx, client, { resource: target.resource, scope: asked });
  const grantable = grantableScope(ctx, { client, target, asked, role });
  const meant = meantScope(grantable, asked).filter(
    (name) => !isIdentityScope(name) || grantable.includes(name),
  );
  const scope = meant.length > 0 ? requestedScope(grantable, meant) : [];
  return unionScope(scope, identity);
}

type Power = Parameters<typeof rulingOf>[1];

/** CIBA asks one person, so what takes others is not asked for here (CIBA Core §7.1). */
export async function requireTheirsAlone(ctx: Context, power: Power, person: User): Promise<void> {
  if (isTheirsAlone(await rulingOf(ctx, power), person)) return;
  throw new OAuthError(
    "invalid_scope",
    "This takes the approval of others than this person. Ask for less, or ask for this at /stepup.",
  );
}
