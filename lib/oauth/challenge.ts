import type { ErrorCode } from "@/lib/errors";
import { formatScope } from "./scope";

type BearerChallenge = {
  /** Where the metadata of the resource is (RFC 9728 §5.1). */
  resourceMetadata?: string | undefined;
  /** Every scope the request needs. */
  scope?: readonly string[] | undefined;
  /** Absent when the request carried no credentials: "the resource server SHOULD NOT include an error code". */
  error?: ErrorCode | undefined;
  description?: string | undefined;
};

/** The `WWW-Authenticate` value that asks for a bearer token (RFC 6750 §3, RFC 9728 §5.1). */
export function bearerChallenge({ resourceMetadata, scope, error, description }: BearerChallenge): string {
  const parameters = [
    parameter("error", error),
    parameter("error_description", description),
    parameter("resource_metadata", resourceMetadata),
    parameter("scope", scope && formatScope(scope)),
  ].filter((text) => text !== undefined);
  return ["Bearer", parameters.join(", ")].filter(Boolean).join(" ");
}

type DpopChallenge = {
  algorithms: readonly string[];
  error?: ErrorCode | undefined;
  description?: string | undefined;
};

/** The `WWW-Authenticate` value that asks for a token bound to a key, and its proof (RFC 9449 §7.1). */
export function dpopChallenge({ algorithms, error, description }: DpopChallenge): string {
  const parameters = [
    parameter("error", error),
    parameter("error_description", description),
    parameter("algs", algorithms.join(" ")),
  ].filter((text) => text !== undefined);
  return `DPoP ${parameters.join(", ")}`;
}

/** The `WWW-Authenticate` value that asks for a client's id and secret (RFC 7617 §2). */
export function basicChallenge(realm: string): string {
  return `Basic realm="${quotable(realm)}", charset="UTF-8"`;
}

function parameter(name: string, value: string | undefined): string | undefined {
  return value ? `${name}="${quotable(value)}"` : undefined;
}

/** Keeps what a value may hold, "%x20-21 / %x23-5B / %x5D-7E", and with it the header in one piece. */
function quotable(value: string): string {
  return value.replace(/[^\x20\x21\x23-\x5b\x5d-\x7e]/g, "'");
}
