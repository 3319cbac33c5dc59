import type { Role } from "@/db/schema/resources";
import type { Context } from "@/lib/context";
import { OAuthError } from "@/lib/errors";
import { assertedResources } from "@/lib/oauth/asserted-claims";
import type { AuthorizationDetail } from "@/lib/oauth/authorization-details";
import { narrowDetails, noTerms, requireFit } from "@/lib/oauth/details-terms";
import { intersectScope, narrowScope, parseScope } from "@/lib/oauth/scope";
import type { VerifiedAssertion } from "@/lib/services/assertions";
import type { Client } from "@/lib/services/clients";
import { requireRegisteredTypes } from "@/lib/services/requested-details";
import {
  grantableScope,
  meansResource,
  meantScope,
  ownScope,
  resolveTarget,
  type Target,
} from "@/lib/services/targets";
import { assertedDetails } from "../foreign-assertion";
import { oneResource } from "../one-resource";

/** What an assertion about a person comes to: where, and how far. */
export type AssertedReach = {
  target: Target;
  /** All that assertion, registrations and role have in common. */
  heldScope: readonly string[];
  /** What of it was asked for. */
  scope: readonly string[];
  /** The same of authorization details; undefined: the assertion has none. */
  authorizationDetails: readonly AuthorizationDetail[] | undefined;
};

type Asking = {
  client: Client;
  resources: readonly string[];
  /** Empty: all there is. */
  asked: readonly string[];
  /** Undefined: all there is. */
  details: readonly AuthorizationDetail[] | undefined;
  role: Role;
};

/** Works out where a token may be used and how far it reaches; nobody is asked, so nothing is more than was said. */
export async function assertedReach(
  ctx: Context,
  assertion: VerifiedAssertion,
  asking: Asking,
): Promise<AssertedReach> {
  const target = await assertedTarget(ctx, assertion, asking);
  const heldScope = assertedScope(ctx, assertion, { ...asking, target });
  const authorizationDetails = narrowedDetails(assertion, target, asking);
  const scope = narrowScope(heldScope, meantScope(heldScope, asking.asked));
  return { target, heldScope, scope, authorizationDetails };
}

/** What is asserted has to be understood whole: left out, it would be a limit that the token does not say. */
function narrowedDetails(
  assertion: VerifiedAssertion,
  { resource, detailsTerms: terms = noTerms(resource) }: Target,
  { client, details: asked }: Asking,
): readonly AuthorizationDetail[] | undefined {
  const asserted = assertedDetails(assertion);
  if (!asserted && !asked) return undefined;
  const held = asserted ?? [];
  requireRegisteredTypes(client, held);
  requireFit(terms, held);
  return narrowDetails([terms], held, asked);
}

/** The token is for the resource of the assertion and for no other; the request may say which, or repeat it. */
async function assertedTarget(
  ctx: Context,
  { purpose, claims }: VerifiedAssertion,
  { client, resources }: Asking,
): Promise<Target> {
  const asserted = assertedResources(claims, "invalid_grant");
  const resource = oneResource(resources) ?? oneResource(asserted);
  if (resource === undefined && purpose === "id_jag") {
    throw new OAuthError(
      "invalid_target",
      "Send resource, or get an assertion that names one: a token is for one.",
    );
  }
  const target = await resolveTarget(ctx, client, resource ?? client.allowedResources[0]);
  const meant = await Promise.all(asserted.map((each) => meansResource(ctx, each, target.resource)));
  if (asserted.length === 0 || meant.includes(true)) return target;
  throw new OAuthError(
    "invalid_target",
    `The assertion is for ${asserted.join(", ")}. Ask for a token for that.`,
  );
}

function assertedScope(
  ctx: Context,
  { purpose, issuer, claims }: VerifiedAssertion,
  { client, target, role }: Asking & { target: Target },
): readonly string[] {
  // Another domain that says no scope gave none; an enterprise leaves it to what is registered here, unless it says
  // in detail what may be done.
  const isOpen = purpose === "id_jag" && claims.authorization_details === undefined;
  const said = claims.scope === undefined && isOpen ? undefined : parseScope(claims.scope);
  const may = { client, target, asked: said };
  const here = intersectScope(grantableScope(ctx, { ...may, role }), ownScope(ctx, may));
  const limit = issuer.scope ? intersectScope(here, issuer.scope) : here;
  if (said === undefined) return limit;
  const meant = meantScope(limit, said);
  if (purpose === "id_jag") refuseUnknown(target, here, meant);
  const held = intersectScope(meant, limit);
  if (meant.length === 0 || held.length > 0) return held;
  throw new OAuthError(
    "invalid_scope",
    `Of the assertion's scope this client may have none here: ${meant.join(" ")}.`,
  );
}

/** What an enterprise's administrator misspelt is better told than dropped. */
function refuseUnknown(
  { registered, scopes }: Target,
  here: readonly string[],
  meant: readonly string[],
): void {
  const known = [...scopes.map(({ name }) => name), ...here];
  const unknown = meant.filter((name) => !known.includes(name));
  if (!registered || unknown.length === 0) return;
  throw new OAuthError(
    "invalid_scope",
    `This resource does not know these scopes of the assertion: ${unknown.join(" ")}.`,
  );
}
