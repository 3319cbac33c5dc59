import type { Context } from "@/lib/context";
import { isOAuthError } from "@/lib/errors";
import { type AuthorizationDetail, invalidDetails } from "@/lib/oauth/authorization-details";
import { type DetailsTerms, narrowDetails, noTerms, requireFit } from "@/lib/oauth/details-terms";
import { ofRegisteredTypes, requireRegisteredTypes } from "@/lib/services/requested-details";
import { detailsTermsAt, type Target } from "@/lib/services/targets";
import type { Asked } from "./plan";
import type { SubjectToken } from "./subject-token";

/** The details that an exchange comes to, or what speaks against those that are asked for. */
export type ExchangedDetails = {
  details: readonly AuthorizationDetail[] | undefined;
  problem?: string;
};

/** Where a token is for, and whether what a person agreed to counts there. */
type At = {
  target: Target;
  /** The kind of token says none. */
  saysNone: boolean;
  /** A person's grant at another resource is what lets the token go there: nothing was agreed to in detail for it. */
  elsewhere: boolean;
};

/** Works out which authorization details go on into the new token; what is asked for has to be covered (RFC 9396 §6). */
export async function exchangedDetails(
  ctx: Context,
  asked: Asked,
  subject: SubjectToken,
  at: At,
): Promise<ExchangedDetails> {
  const held = at.saysNone || at.elsewhere ? [] : (subject.authorizationDetails ?? []);
  if (!asked.authorizationDetails && held.length === 0) return { details: undefined };
  const terms = await termsFor(ctx, subject, at.target);
  try {
    return { details: judge(asked, { ...at, terms, held, isForeign: subject.issuedTo === undefined }) };
  } catch (error) {
    if (!isOAuthError(error) || error.code !== "invalid_authorization_details") throw error;
    return { details: [], problem: error.description };
  }
}

/** Refuses details where a token of the kind that is asked for says none. */
export function refuseDetails(wanted: Asked["authorizationDetails"]): void {
  if (wanted?.length) throw invalidDetails("Leave authorization_details out: a token of this kind has none.");
}

type Held = Pick<At, "saysNone"> & {
  terms: readonly DetailsTerms[];
  held: readonly AuthorizationDetail[];
  /** Another server asserts them. */
  isForeign: boolean;
};

function judge({ client, authorizationDetails: wanted }: Asked, { saysNone, terms, held, isForeign }: Held) {
  if (saysNone) refuseDetails(wanted);
  // What another server asserts is understood whole or not at all.
  requireRegisteredTypes(client, isForeign ? held : (wanted ?? []));
  if (isForeign) for (const each of terms) requireFit(each, held);
  return narrowDetails(terms, ofRegisteredTypes(client, held), wanted);
}

/**
 * By whose types they are judged: those of the resource the details came from, and those of the resource they go to.
 * An agent has none: a token that is addressed to it is on its way.
 */
async function termsFor(
  ctx: Context,
  { detailsFrom }: SubjectToken,
  { resource, detailsTerms = noTerms(resource) }: Target,
): Promise<readonly DetailsTerms[]> {
  const isOnItsWay = resource.startsWith("agnt_");
  if (detailsFrom === undefined || detailsFrom === resource) return [detailsTerms];
  const from = await detailsTermsAt(ctx, detailsFrom);
  return isOnItsWay ? [from] : [detailsTerms, from];
}
