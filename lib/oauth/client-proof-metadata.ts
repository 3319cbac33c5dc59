import { z } from "zod";
import { OAuthError } from "@/lib/errors";
import { isPlainText } from "./display-text";
import { JWS_ALGORITHMS } from "./jws";
import { isSpiffePattern } from "./spiffe-id";
import { isStorable } from "./storable";
import { isLoopbackHost } from "./uri";
import { findVerificationKey, PRIVATE_MEMBERS } from "./verification-key";

/** A JWK Set with public keys (RFC 7517 §5). */
export type ClientJwks = { keys: Record<string, unknown>[] };

/** How a client proves who it is, and what it is held to (RFC 7591 §2, RFC 9449 §5.2, RFC 9126 §6, RFC 9396 §10). */
export type ClientProofMetadata = {
  /** Its public keys, or where they are; never both. */
  jwks?: ClientJwks | undefined;
  jwksUri?: string | undefined;
  /** The one algorithm of its assertions. */
  assertionAlg?: string | undefined;
  spiffeId?: string | undefined;
  dpopBoundAccessTokens?: boolean | undefined;
  requirePushedAuthorizationRequests?: boolean | undefined;
  authorizationDetailsTypes?: readonly string[] | undefined;
};

const MAX_URI_LENGTH = 2048;
/** A JWK is flat but for what is not read; x5c is a list. */
const MAX_JWK_DEPTH = 5;

/** Public keys as a client sends them. */
export const Jwks = z.object({
  keys: z
    .array(z.looseObject({ kty: z.string() }))
    .max(20)
    .refine((keys) => isStorable(keys, MAX_JWK_DEPTH), "must be JSON of whole characters, 5 levels deep"),
});

/** Where they are. */
export const JwksUri = z
  .url({ protocol: /^https?$/ })
  .max(MAX_URI_LENGTH)
  .refine((uri) => /^[\x21-\x7e]+$/.test(uri), "must be printable ASCII without spaces");

/** These members as they stand in a registration request or a client metadata document. */
export const proofFields = {
  jwks: Jwks.nullish(),
  jwks_uri: JwksUri.nullish(),
  token_endpoint_auth_signing_alg: z.enum(JWS_ALGORITHMS).nullish(),
  spiffe_id: z.string().refine(isSpiffePattern, "must be a SPIFFE ID; it may end in /*").nullish(),
  dpop_bound_access_tokens: z.boolean().nullish(),
  require_pushed_authorization_requests: z.boolean().nullish(),
  authorization_details_types: z
    .array(z.string().min(1).max(200).refine(isPlainText, "control and invisible characters"))
    .max(50)
    .nullish(),
};
type Fields = z.infer<z.ZodObject<typeof proofFields>>;

/** Reads these members; what an authentication method needs has to be there. */
export function readProofMetadata(fields: Fields, authMethod: string): ClientProofMetadata {
  const fault = faultOfKeys(fields, authMethod);
  if (fault) throw new OAuthError("invalid_client_metadata", fault.description);
  // "spiffe_id REQUIRED" (draft-ietf-oauth-spiffe-client-auth-02 §5.1)
  if (authMethod === "spiffe_jwt" && !fields.spiffe_id)
    throw new OAuthError(
      "invalid_client_metadata",
      "Send spiffe_id: spiffe_jwt needs the SPIFFE ID of the client",
    );
  return {
    jwks: fields.jwks ?? undefined,
    jwksUri: fields.jwks_uri ?? undefined,
    assertionAlg: fields.token_endpoint_auth_signing_alg ?? undefined,
    // It means something to this method only, which an operator alone may register a client for.
    spiffeId: (authMethod === "spiffe_jwt" ? fields.spiffe_id : undefined) ?? undefined,
    dpopBoundAccessTokens: fields.dpop_bound_access_tokens ?? undefined,
    requirePushedAuthorizationRequests: fields.require_pushed_authorization_requests ?? undefined,
    authorizationDetailsTypes: fields.authorization_details_types ?? undefined,
  };
}

type Fault = { member: "jwks" | "jwks_uri"; description: string };

/** What is wrong with the keys that a client names, and in which member; undefined: nothing (RFC 7591 §2). */
export function faultOfKeys(
  { jwks, jwks_uri: jwksUri }: Pick<Fields, "jwks" | "jwks_uri">,
  authMethod: string,
): Fault | undefined {
  // "The jwks_uri and jwks parameters MUST NOT both be present in the same request or response."
  if (jwks != null && jwksUri != null)
    return { member: "jwks_uri", description: "Send jwks or jwks_uri, not both" };
  const description = jwks?.keys.map(faultOfKey).find((fault) => fault !== undefined);
  if (description !== undefined) return { member: "jwks", description };
  if (jwksUri && !isFetchable(jwksUri))
    return { member: "jwks_uri", description: "Send jwks_uri as an https URL" };
  const signs = jwksUri || jwks?.keys.some((key) => key.use !== "enc");
  if (authMethod === "private_key_jwt" && !signs)
    return {
      member: "jwks",
      description: "Send jwks_uri, or jwks with a public key: private_key_jwt needs one",
    };
  return undefined;
}

/** Keys that only encrypt are none of ours; one that is private, weak or malformed is a mistake to be told of. */
function faultOfKey(key: Record<string, unknown>): string | undefined {
  if (PRIVATE_MEMBERS.some((member) => member in key))
    return "Remove the private keys from jwks, and replace them: others may have seen them";
  if (key.use === "enc" || JWS_ALGORITHMS.some((alg) => findVerificationKey(key, alg))) return undefined;
  return `Send in jwks public keys for ${JWS_ALGORITHMS.join(", ")}`;
}

/** https, or a loopback address, which only a server in local mode asks. */
function isFetchable(uri: string): boolean {
  const { protocol, hostname, username, password } = new URL(uri);
  if (username || password) return false;
  return protocol === "https:" || isLoopbackHost(hostname);
}

/** As a database row has it: null where nothing is said. */
export type Nullable<T> = { [Key in keyof T]: T[Key] | null };

/** The same members as they are told, of what is registered. */
export const proofMembers = (registered: Nullable<ClientProofMetadata>) => ({
  ...(registered.jwks && { jwks: registered.jwks }),
  ...(registered.jwksUri && { jwks_uri: registered.jwksUri }),
  ...(registered.assertionAlg && { token_endpoint_auth_signing_alg: registered.assertionAlg }),
  ...(registered.spiffeId && { spiffe_id: registered.spiffeId }),
  ...(registered.dpopBoundAccessTokens && { dpop_bound_access_tokens: true }),
  ...(registered.requirePushedAuthorizationRequests && { require_pushed_authorization_requests: true }),
  ...(registered.authorizationDetailsTypes && {
    authorization_details_types: registered.authorizationDetailsTypes,
  }),
});
