import { z } from "zod";
import { isOAuthError, OAuthError } from "@/lib/errors";
import { type ClientMetadata, parseClientMetadata } from "./client-metadata";
import { hasDotSegments, hostOf, isLoopbackHost, splitUri } from "./uri";
import { PRIVATE_MEMBERS } from "./verification-key";

/** PostgreSQL indexes no row of more than 2704 bytes, and a grant is found by client and resource. */
const MAX_LENGTH = 1024;

/** What a client may have by its document alone: never client_credentials, which needs a credential. */
const OFFERED = {
  grantTypes: ["authorization_code", "refresh_token"],
  authMethods: ["none", "private_key_jwt", "attest_jwt_client_auth", "attest_jwt_client_auth_dpop"],
};

const Document = z.looseObject({
  client_id: z.string(),
  client_name: z.string().trim().min(1),
  redirect_uris: z.array(z.string()).min(1),
  token_endpoint_auth_method: z.string().nullish(),
  token_endpoint_auth_methods_supported: z.array(z.string()).nullish(),
  jwks: z.object({ keys: z.array(z.record(z.string(), z.unknown())) }).nullish(),
  jwks_uri: z.string().nullish(),
});
type Document = z.infer<typeof Document>;

/** True for a client_id that is the address of a metadata document (draft-ietf-oauth-client-id-metadata-document-02 §2). */
export function isDocumentClientId(clientId: string): boolean {
  return /^https?:\/\//i.test(clientId);
}

/**
 * The address to fetch a client's metadata document from, or a refusal when the client_id may not be
 * one (draft-ietf-oauth-client-id-metadata-document-02 §3). `allowLoopback` is for local mode.
 */
export function parseDocumentClientId(clientId: string, { allowLoopback }: { allowLoopback: boolean }): URL {
  const uri = clientId.length <= MAX_LENGTH ? splitUri(clientId) : undefined;
  // Simple string comparison finds the client again: what a parser would rewrite is not its name.
  if (!uri || !URL.canParse(clientId) || new URL(clientId).href !== clientId) {
    throw refusal("Use as client_id an https URL in its normal form");
  }
  const isLocal = allowLoopback && uri.scheme === "http" && isLoopbackHost(hostOf(uri.authority ?? ""));
  if (uri.scheme !== "https" && !isLocal) throw refusal("Use as client_id a URL that begins with https");
  // "MUST contain a path component, MUST NOT contain single-dot or double-dot path segments,
  // MUST NOT contain a fragment component and MUST NOT contain a username or password"
  if (uri.path === "" || uri.path === "/") throw refusal("Use as client_id a URL with a path");
  if (hasDotSegments(uri.path)) throw refusal("Use as client_id a URL without . and .. segments");
  if (uri.fragment !== undefined) throw refusal("Use as client_id a URL without a fragment");
  if (uri.authority?.includes("@")) throw refusal("Use as client_id a URL without a user name or password");
  return new URL(clientId);
}

/**
 * Reads the document found at a client_id (draft-ietf-oauth-client-id-metadata-document-02 §4;
 * MCP 2026-07-28, Authorization §Client ID Metadata Documents). Every refusal is invalid_client:
 * it is met at /authorize and /token, where no other code would mean anything.
 */
export function parseClientDocument(clientId: string, json: unknown): ClientMetadata {
  const parsed = Document.safeParse(json);
  if (!parsed.success) {
    const member = parsed.error.issues[0]?.path.join(".") || "the body";
    throw refusal(`Correct ${member} of the client metadata document`);
  }
  const document = parsed.data;
  // "The client_id property's value MUST match … using simple string comparison"
  if (document.client_id !== clientId) {
    throw refusal("Serve a client metadata document whose client_id is the URL it is served from");
  }
  checkSecrets(document);
  const method = authMethodOf(document);
  try {
    return parseClientMetadata({ ...document, token_endpoint_auth_method: method }, OFFERED);
  } catch (error) {
    if (isOAuthError(error)) throw refusal(error.description, error);
    throw error;
  }
}

function checkSecrets(document: Document): void {
  // "client_secret and client_secret_expires_at properties MUST NOT be used"
  if ("client_secret" in document || "client_secret_expires_at" in document) {
    throw refusal("Remove client_secret from the client metadata document: anybody can read it");
  }
  const keys = document.jwks?.keys ?? [];
  if (keys.some((key) => PRIVATE_MEMBERS.some((member) => member in key))) {
    throw refusal("Remove the private keys from jwks in the client metadata document, and replace them");
  }
}

/**
 * How the client proves itself: as the document prefers, where we can do that and its keys are there; else by nothing,
 * where it lists that (client quirk Q19). What says it signs is held to it.
 */
function authMethodOf({
  token_endpoint_auth_method: preferred,
  token_endpoint_auth_methods_supported: supported,
  ...document
}: Document): string {
  // "the token_endpoint_auth_method property MUST NOT include client_secret_post, client_secret_basic, …"
  if (preferred?.startsWith("client_secret_")) {
    throw refusal(
      "Change token_endpoint_auth_method of the client metadata document to none or private_key_jwt: there is no secret",
    );
  }
  const methods = [preferred, ...(supported ?? [])].filter((method) => method != null);
  const hasKeys = Boolean(document.jwks_uri) || Boolean(document.jwks?.keys.length);
  const possible = methods.find((method) =>
    method === "private_key_jwt" ? hasKeys : OFFERED.authMethods.includes(method),
  );
  if (possible ?? methods.length === 0) return possible ?? "none";
  throw refusal(
    "List private_key_jwt with jwks_uri, or none, in token_endpoint_auth_methods_supported of the client metadata document",
  );
}

function refusal(description: string, cause?: unknown): OAuthError {
  return new OAuthError("invalid_client", description, { cause });
}
