import { z } from "zod";
import { isOAuthError, OAuthError } from "@/lib/errors";
import {
  type BackchannelMetadata,
  backchannelFields,
  backchannelMembers,
  readBackchannelMetadata,
} from "./backchannel-metadata";
import {
  type ClientProofMetadata,
  type Nullable,
  proofFields,
  proofMembers,
  readProofMetadata,
} from "./client-proof-metadata";
import { isPlainText } from "./display-text";
import { applicationTypeOf, checkRedirectUri } from "./redirect-uri";
import { formatScope, parseScope } from "./scope";
import { GRANT_TYPES } from "./token-types";

/** What a client says of itself for people to read (RFC 7591 §2); never trusted for a decision. */
export type ClientDisplay = {
  client_uri?: string | undefined;
  logo_uri?: string | undefined;
  tos_uri?: string | undefined;
  policy_uri?: string | undefined;
  software_id?: string | undefined;
  software_version?: string | undefined;
  contacts?: string[] | undefined;
};

/** A client's metadata as we register it (RFC 7591 §2). */
export type ClientMetadata = {
  name: string;
  redirectUris: readonly string[];
  tokenEndpointAuthMethod: string;
  grantTypes: readonly string[];
  responseTypes: readonly string[];
  /** Undefined: the client names none. */
  scope?: readonly string[] | undefined;
  applicationType: "web" | "native";
  display: ClientDisplay;
} & ClientProofMetadata &
  BackchannelMetadata;

/** What this way of registration may hand out. */
type Offered = { grantTypes: readonly string[]; authMethods: readonly string[] };

const MAX_REDIRECT_URIS = 50;
const MAX_URI_LENGTH = 2048;
const MAX_TEXT_LENGTH = 200;

const text = z.string().trim().max(MAX_TEXT_LENGTH).refine(isPlainText, "control and invisible characters");
const names = z.array(z.string().max(MAX_TEXT_LENGTH)).max(50);

/**
 * The members of a registration request that are read (RFC 7591 §2).
 * Those sent as null are absent: that is how some libraries write an optional they do not use.
 */
export const RegistrationRequest = z.object({
  redirect_uris: z.array(z.string()).max(MAX_REDIRECT_URIS).nullish(),
  token_endpoint_auth_method: z.string().nullish(),
  grant_types: names.nullish(),
  response_types: names.nullish(),
  client_name: text.nullish(),
  scope: z.string().nullish(),
  application_type: z.unknown().optional(),
  client_uri: z.unknown().optional(),
  logo_uri: z.unknown().optional(),
  tos_uri: z.unknown().optional(),
  policy_uri: z.unknown().optional(),
  software_id: text.nullish(),
  software_version: text.nullish(),
  contacts: z.array(text).max(10).nullish(),
  ...proofFields,
  ...backchannelFields,
});
type Request = z.infer<typeof RegistrationRequest>;

/**
 * Reads a registration request (RFC 7591 §2, §3.1). Members we do not know are ignored, grant types
 * we do not offer are left out, and what contradicts itself is refused.
 */
export function parseClientMetadata(json: unknown, offered: Offered): ClientMetadata {
  const request = readRequest(json);
  const redirectUris = request.redirect_uris ?? [];
  redirectUris.forEach(checkRedirectUri);

  const tokenEndpointAuthMethod = authMethodOf(request, offered);
  const grantTypes = grantTypesOf(request, offered, tokenEndpointAuthMethod);
  if (grantTypes.includes("authorization_code") && redirectUris.length === 0) {
    // "Clients using flows with redirection MUST register their redirection URI values."
    throw new OAuthError("invalid_redirect_uri", "Send redirect_uris: authorization_code needs at least one");
  }
  return {
    name: request.client_name || "Unnamed app",
    redirectUris,
    tokenEndpointAuthMethod,
    grantTypes,
    responseTypes: responseTypesOf(request, grantTypes),
    scope: scopeOf(request),
    ...readProofMetadata(request, tokenEndpointAuthMethod),
    ...readBackchannelMetadata(request, grantTypes),
    applicationType: request.application_type === "native" ? "native" : applicationTypeOf(redirectUris),
    display: displayOf(request),
  };
}

type Registered = {
  clientId: string;
  /** Told when it is made, and when the client itself has just said it. */
  clientSecret?: string | undefined;
  issuedAt: Date;
  /** As it is registered. */
  metadata: Omit<ClientMetadata, "scope" | keyof ClientProofMetadata | keyof BackchannelMetadata> &
    Nullable<ClientProofMetadata> &
    Nullable<BackchannelMetadata> & { scope?: readonly string[] | null | undefined };
  /** Where the client manages its registration, and with which token (RFC 7592 §3). */
  management: { uri: string; accessToken: string };
};

/** The answer to a registration: the identifier, and every value as registered (RFC 7591 §3.2.1, RFC 7592 §3). */
export function registrationResponse({ clientId, clientSecret, issuedAt, metadata, management }: Registered) {
  return {
    client_id: clientId,
    client_id_issued_at: Math.floor(issuedAt.getTime() / 1000),
    // "REQUIRED if client_secret is issued", where 0 means that it does not expire
    ...(clientSecret !== undefined && { client_secret: clientSecret, client_secret_expires_at: 0 }),
    registration_access_token: management.accessToken,
    registration_client_uri: management.uri,
    client_name: metadata.name,
    redirect_uris: metadata.redirectUris,
    token_endpoint_auth_method: metadata.tokenEndpointAuthMethod,
    grant_types: metadata.grantTypes,
    response_types: metadata.responseTypes,
    ...(metadata.scope && { scope: formatScope(metadata.scope) }),
    application_type: metadata.applicationType,
    ...proofMembers(metadata),
    ...backchannelMembers(metadata),
    ...metadata.display,
  };
}

function readRequest(json: unknown): Request {
  const parsed = RegistrationRequest.safeParse(json);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const member = issue?.path.join(".") || "the body";
    // error_description must not hold quotes (RFC 6749 §5.2)
    const problem = issue?.message.replace(/["\\]/g, "'");
    const code = issue?.path[0] === "redirect_uris" ? "invalid_redirect_uri" : "invalid_client_metadata";
    throw new OAuthError(code, `Correct ${member}: ${problem}`);
  }
  return parsed.data;
}

function authMethodOf(request: Request, { authMethods }: Offered): string {
  // "If unspecified or omitted, the default is client_secret_basic"
  const method = request.token_endpoint_auth_method ?? "client_secret_basic";
  if (!authMethods.includes(method)) {
    throw refusal(`Send token_endpoint_auth_method as one of: ${authMethods.join(", ")}`);
  }
  return method;
}

function grantTypesOf(
  request: Request,
  { grantTypes: offered }: Offered,
  authMethod: string,
): readonly string[] {
  const isPublic = authMethod === "none";
  // Nowhere to send a person to: a client that acts for itself, where such clients may register.
  const isService = !request.redirect_uris && !isPublic && offered.includes("client_credentials");
  const asked = request.grant_types ?? [isService ? "client_credentials" : "authorization_code"];

  const granted = new Set(asked.filter((grantType) => offered.includes(grantType)));
  if (granted.size === 0) throw refusal(`Send grant_types with at least one of: ${offered.join(", ")}`);
  // "The client credentials grant type MUST only be used by confidential clients." (RFC 6749 §4.4)
  if (isPublic && granted.has("client_credentials")) {
    throw refusal("Send token_endpoint_auth_method=client_secret_basic: client_credentials needs a secret");
  }
  // Clients leave refresh_token out and then fail when the access token ends.
  const isForPerson = granted.has("authorization_code") || granted.has(GRANT_TYPES.deviceCode);
  if (isForPerson && offered.includes("refresh_token")) granted.add("refresh_token");
  if (granted.size === 1 && granted.has("refresh_token")) {
    throw refusal("Send grant_types with authorization_code: refresh_token alone never gets a token");
  }
  // "the Client … authenticates to the Authorization Server using the authentication method registered" (CIBA Core §7.1)
  if (isPublic && granted.has(GRANT_TYPES.ciba)) {
    throw refusal(`Send token_endpoint_auth_method=client_secret_basic: ${GRANT_TYPES.ciba} needs a secret`);
  }
  return [...granted];
}

/** Keeps response types in step with the grant types (RFC 7591 §2.1). */
function responseTypesOf(request: Request, grantTypes: readonly string[]): readonly string[] {
  if (!grantTypes.includes("authorization_code")) return [];
  if (request.response_types && !request.response_types.includes("code")) {
    throw refusal("Send response_types with code: authorization_code needs it");
  }
  return ["code"];
}

function scopeOf({ scope }: Request): readonly string[] | undefined {
  try {
    return scope ? parseScope(scope) : undefined;
  } catch (error) {
    if (isOAuthError(error)) throw refusal(error.description);
    throw error;
  }
}

function displayOf(request: Request): ClientDisplay {
  const display = {
    client_uri: webPage(request.client_uri),
    logo_uri: webPage(request.logo_uri),
    tos_uri: webPage(request.tos_uri),
    policy_uri: webPage(request.policy_uri),
    software_id: request.software_id || undefined,
    software_version: request.software_version || undefined,
    contacts: request.contacts ?? undefined,
  };
  return Object.fromEntries(Object.entries(display).filter(([, value]) => value !== undefined));
}

/** People will follow these: anything but an https URL is left out. */
function webPage(value: unknown): string | undefined {
  if (typeof value !== "string" || value.length > MAX_URI_LENGTH || !isPlainText(value)) return undefined;
  return URL.canParse(value) && new URL(value).protocol === "https:" ? value : undefined;
}

function refusal(description: string): OAuthError {
  return new OAuthError("invalid_client_metadata", description);
}
