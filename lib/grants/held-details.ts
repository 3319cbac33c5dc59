import type { Context } from "@/lib/context";
import { type AuthorizationDetail, parseAuthorizationDetails } from "@/lib/oauth/authorization-details";
import { narrowDetails } from "@/lib/oauth/details-terms";
import { detailsTermsAt } from "@/lib/services/targets";

type Held = { resource: string; authorizationDetails: readonly AuthorizationDetail[] | null };

/**
 * What an access token says of the details that a code or a refresh token stands for: what was asked for of them, or
 * all that still mean something (RFC 9396 §6). Undefined: none were ever asked for.
 */
export async function heldDetails(
  ctx: Context,
  { resource, authorizationDetails: held }: Held,
  parameter: string | undefined,
): Promise<readonly AuthorizationDetail[] | undefined> {
  const asked = parseAuthorizationDetails(parameter);
  if (!held && !asked) return undefined;
  return narrowDetails([await detailsTermsAt(ctx, resource)], held ?? [], asked);
}
