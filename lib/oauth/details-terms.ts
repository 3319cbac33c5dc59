import { OAuthError } from "@/lib/errors";
import { type AuthorizationDetail, invalidDetails } from "./authorization-details";
import { covers, findUncovered } from "./details-narrowing";
import { type DetailsType, problemOf } from "./details-type";
import { sameResource } from "./resource";

/** What authorization details can say at a resource. */
export type DetailsTerms = {
  /** The resource, and what else it is called: what `locations` may name (RFC 9396 §2.2). */
  resource: string;
  aliases: readonly string[];
  types: readonly DetailsType[];
};

type Details = readonly AuthorizationDetail[];

/** The terms of a place that nobody described: nothing can be said there. */
export const noTerms = (resource: string): DetailsTerms => ({ resource, aliases: [], types: [] });

/** Refuses details that are not of a type of the resource, or not as their type says (RFC 9396 §5). */
export function requireFit(terms: DetailsTerms, details: Details): void {
  for (const [index, detail] of details.entries()) {
    const problem = problemAt(terms, detail);
    if (problem) throw invalidDetails(`Correct authorization_details[${index}]${problem}.`);
  }
}

/** Of details that were granted, those that still mean something at the resource: its types may have changed. */
export const remainingDetails = (terms: DetailsTerms, held: Details): Details =>
  held.filter((detail) => problemAt(terms, detail) === undefined);

/** The type of a detail that fits it; undefined: it fits none there. */
export const typeOf = (terms: DetailsTerms, detail: AuthorizationDetail): DetailsType | undefined =>
  problemAt(terms, detail) === undefined ? terms.types.find(({ type }) => type === detail.type) : undefined;

/** Types that a refusal names: the rest is in the metadata of the resource. */
const MAX_NAMED = 10;

function problemAt(
  { resource, aliases, types }: DetailsTerms,
  detail: AuthorizationDetail,
): string | undefined {
  const type = types.find((one) => one.type === detail.type);
  if (!type) {
    const some = types.slice(0, MAX_NAMED).map((one) => one.type);
    return `: ${resource} has no type ${detail.type}. It has: ${some.join(", ") || "none"}`;
  }
  const problem = problemOf(type, detail);
  if (problem) return `${problem} (${detail.type})`;
  const locations: readonly unknown[] = Array.isArray(detail.locations) ? detail.locations : [];
  const names = [resource, ...aliases];
  const isHere = (location: unknown) => names.some((name) => sameResource(name, String(location)));
  return locations.every(isHere) ? undefined : `.locations: it may name ${resource} only`;
}

/**
 * What of the details that are held a token is to say: those that are asked for, if they are covered, or all
 * (RFC 9396 §6, §7). Where several terms apply, a detail has to fit all of them.
 */
export function narrowDetails(
  terms: readonly DetailsTerms[],
  held: Details,
  asked: Details | undefined,
): Details {
  const remaining = terms.reduce((left, each) => remainingDetails(each, left), held);
  if (asked === undefined) return remaining;
  for (const each of terms) requireFit(each, asked);
  const uncovered = findUncovered(remaining, asked, (one, detail) =>
    terms.every(({ types }) => types.some((type) => type.type === detail.type && covers(type, one, detail))),
  );
  if (!uncovered) return asked;
  const index = asked.indexOf(uncovered);
  throw new OAuthError(
    "invalid_authorization_details",
    `Ask for less in authorization_details[${index}] (${uncovered.type}): nothing that was granted covers it. Each granted detail covers one.`,
  );
}
