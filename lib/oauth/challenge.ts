import type { ErrorCode } from "@/lib/errors";
import { formatScope } from "./scope";

type TokenChallenge = {
  /** Where the metadata of the resource is (RFC 9728 §5.1). */
  resourceMetadata?: string | undefined;
  /** Every scope the request needs. */
  scope?: readonly string[] | undefined;
  /** Absent when the request carried no credentials: "the resource server SHOULD NOT include an error code". */
  error?: ErrorCode | undefined;
  description?: string | undefined;
  /** Seconds that the sign-in may be old (RFC 9470 §3). */
  maxAge?: number | undefined;
  /** How the person has to sign in: any of these will do (RFC 9470 §3). */
  acrValues?: readonly string[] | undefined;
};

/** The `WWW-Authenticate` value that asks for a bearer token (RFC 6750 §3, RFC 9728 §5.1, RFC 9470 §3). */
export const bearerChallenge = (challenge: TokenChallenge): string =>
  formatted("Bearer", tokenParameters(challenge));

/** The `WWW-Authenticate` value that asks for a token bound to a key, and its proof (RFC 9449 §7.1, RFC 9728 §5.1). */
export const dpopChallenge = ({
  algorithms,
  ...challenge
}: TokenChallenge & { algorithms: readonly string[] }): string =>
  formatted("DPoP", [...tokenParameters(challenge), parameter("algs", algorithms.join(" "))]);

/** The `WWW-Authenticate` value that asks for a client's id and secret (RFC 7617 §2). */
export function basicChallenge(realm: string): string {
  return `Basic realm="${quotable(realm)}", charset="UTF-8"`;
}

const tokenParameters = ({
  error,
  description,
  resourceMetadata,
  scope,
  maxAge,
  acrValues,
}: TokenChallenge) => [
  parameter("error", error),
  parameter("error_description", description),
  parameter("resource_metadata", resourceMetadata),
  parameter("scope", scope && formatScope(scope)),
  parameter("acr_values", acrValues?.join(" ")),
  parameter("max_age", maxAge === undefined ? undefined : String(maxAge)),
];

const formatted = (scheme: string, parameters: readonly (string | undefined)[]): string =>
  [scheme, parameters.filter((text) => text !== undefined).join(", ")].filter(Boolean).join(" ");

function parameter(name: string, value: string | undefined): string | undefined {
  return value ? `${name}="${quotable(value)}"` : undefined;
}

/** Keeps what a value may hold, "%x20-21 / %x23-5B / %x5D-7E", and with it the header in one piece. */
function quotable(value: string): string {
  return value.replace(/[^\x20\x21\x23-\x5b\x5d-\x7e]/g, "'");
}
