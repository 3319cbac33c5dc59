import { type AuthorizationDetail, invalidDetails } from "@/lib/oauth/authorization-details";
import { noTerms, requireFit } from "@/lib/oauth/details-terms";
import { type Client, isOperatorRegistered } from "./clients";
import type { Target } from "./targets";

type Details = readonly AuthorizationDetail[];

/** The details that a client asks a person for: some, of types it may use, as the resource knows them (RFC 9396 §5). */
export function requestedDetails(client: Client, target: Target, asked: Details): Details {
  if (asked.length === 0)
    throw invalidDetails("Send at least one object in authorization_details, or leave it out.");
  requireRegisteredTypes(client, asked);
  requireFit(target.detailsTerms ?? noTerms(target.resource), asked);
  return asked;
}

/** "the authorization details types they will use" (RFC 9396 §10): who registered some uses no others. */
export function requireRegisteredTypes({ authorizationDetailsTypes: types }: Client, asked: Details): void {
  const other = types && asked.find(({ type }) => !types.includes(type));
  if (!other) return;
  throw invalidDetails(
    `Ask for types that this client registered as authorization_details_types: ${other.type} is none of them.`,
  );
}

/** Of details that are held, those that a client may be handed. */
export const ofRegisteredTypes = ({ authorizationDetailsTypes: types }: Client, held: Details): Details =>
  types ? held.filter(({ type }) => types.includes(type)) : held;

/**
 * The details that a client may have for itself. Nobody is asked about them, so an operator said which types it may
 * use, one by one.
 */
export function ownDetails(client: Client, target: Target, asked: Details): Details {
  if (!isOperatorRegistered(client) || client.authorizationDetailsTypes === null)
    throw invalidDetails(
      "Leave authorization_details out, or ask the operator of this server to register this client with authorization_details_types: no person is asked here.",
    );
  return requestedDetails(client, target, asked);
}
