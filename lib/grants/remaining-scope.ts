import type { Context } from "@/lib/context";
import { OAuthError } from "@/lib/errors";
import { intersectScope } from "@/lib/oauth/scope";
import { findGrant } from "@/lib/services/grants";
import { scopeOfRole } from "@/lib/services/targets";
import type { User } from "@/lib/services/users";

type Given = { grantId: string | null; resource: string; scope: readonly string[] };

/** What is left of the scope a person gave, and who they are: they may have narrowed or stopped the app since they answered. */
export async function remainingScope(
  ctx: Context,
  { grantId, resource, scope: given }: Given,
): Promise<{ scope: readonly string[]; person: User }> {
  const live = grantId === null ? undefined : await findGrant(ctx, grantId);
  if (live?.grant.status === "active" && live.user.status === "active") {
    const left = { resource, scope: intersectScope(given, live.grant.scope) };
    const scope = await scopeOfRole(ctx, left, live.user.role);
    if (scope.length > 0 || given.length === 0) return { scope, person: live.user };
  }
  throw new OAuthError("invalid_grant", "The person has taken this permission back. Ask them anew.");
}
