import { OAuthError } from "@/lib/errors";
import { ACR_VALUES } from "./acr";
import { type AuthorizationDetail, parseAuthorizationDetails } from "./authorization-details";
import { isCodeChallenge } from "./pkce";
import { parseResource, sameResource } from "./resource";
import { parseScope } from "./scope";

const MAX_STATE_BYTES = 4096;
const MAX_CLIENT_ID_LENGTH = 2048;
const PROMPTS: readonly string[] = ["none", "login", "consent", "select_account"];

/** "Request and response parameters defined by this specification MUST NOT be included more than once"; these may. */
const REPEATABLE: readonly string[] = ["resource", "audience"];

/** An authorization request whose every part is well formed; what of it is allowed is for others to say. */
export type AuthorizationRequest = {
  responseType: "code";
  state: string | undefined;
  codeChallenge: string;
  /** Undefined: the client leaves it to the server. */
  scope: readonly string[] | undefined;
  /** At most one: clients repeat the parameter, but only with the same value. */
  resources: readonly string[];
  nonce: string | undefined;
  prompt: readonly string[];
  /** Seconds. */
  maxAge: number | undefined;
  /** How the person is to have signed in, any of these; empty: however (RFC 9470 §4). */
  acrValues: readonly string[];
  /** Thumbprint of the key that the code is to be bound to (RFC 9449 §10). */
  dpopJkt: string | undefined;
  /** Undefined: scopes say all there is to say (RFC 9396 §3). */
  authorizationDetails: readonly AuthorizationDetail[] | undefined;
};

/**
 * Reads who asks and where the answer goes. What this throws belongs on a page of ours: until both
 * are known, "the authorization server … MUST NOT automatically redirect" (RFC 6749 §4.1.2.1).
 */
export function clientAndRedirect(params: URLSearchParams): {
  clientId: string;
  redirectUri: string | undefined;
} {
  if (params.getAll("client_id").length > 1)
    throw brokenLink("it says more than once which app sent you (client_id)");
  if (params.getAll("redirect_uri").length > 1)
    throw brokenLink("it says more than once where to send your answer (redirect_uri)");
  const clientId = params.get("client_id") ?? "";
  // client-id = *VSCHAR
  if (!/^[\x20-\x7e]+$/.test(clientId) || clientId.length > MAX_CLIENT_ID_LENGTH) {
    throw brokenLink("it does not say, or not legibly, which app sent you (client_id)");
  }
  return { clientId, redirectUri: params.get("redirect_uri") || undefined };
}

/** People read these, and cannot mend a link; the parameter is named for who can. */
export const brokenLink = (why: string): OAuthError =>
  invalid(`This link does not work: ${why}. Go back to the app and start again there.`);

/** The state to give back, also with an error; undefined when there is none or it cannot be trusted to be one. */
export function stateOf(params: URLSearchParams): string | undefined {
  const [state, ...others] = params.getAll("state");
  return others.length === 0 && state && isStorable(state) ? state : undefined;
}

/** Reads an authorization request; what this throws is sent to the client by redirect (RFC 6749 §4.1.1). */
export function parseAuthorizationRequest(params: URLSearchParams): AuthorizationRequest {
  checkForm(params);
  return {
    responseType: "code",
    state: stateOf(params),
    codeChallenge: codeChallengeOf(params),
    scope: params.get("scope") ? parseScope(params.get("scope") ?? "") : undefined,
    resources: resourcesOf(params),
    nonce: params.get("nonce") || undefined,
    prompt: promptOf(params),
    maxAge: maxAgeOf(params),
    acrValues: acrValuesOf(params),
    dpopJkt: dpopJktOf(params),
    authorizationDetails: parseAuthorizationDetails(params.get("authorization_details") ?? undefined),
  };
}

function checkForm(params: URLSearchParams): void {
  const repeated = [...new Set(params.keys())].filter((name) => params.getAll(name).length > 1);
  if (repeated.some((name) => !REPEATABLE.includes(name))) {
    throw invalid("Send every parameter but resource only once");
  }
  for (const name of ["state", "nonce"]) {
    if (!isStorable(params.get(name) ?? "")) {
      throw invalid(`Send ${name} with at most ${MAX_STATE_BYTES} bytes and without NUL`);
    }
  }
  if (params.get("request")) throw new OAuthError("request_not_supported", "Send the parameters themselves");
  if (params.get("request_uri")) {
    throw new OAuthError("request_uri_not_supported", "Send a request_uri that this server gave out at /par");
  }
  if (!params.get("response_type")) throw invalid("Send response_type=code");
  if (params.get("response_type") !== "code") {
    throw new OAuthError("unsupported_response_type", "Send response_type=code");
  }
  if ((params.get("response_mode") || "query") !== "query") {
    throw invalid("Send response_mode=query, or leave it out");
  }
}

/** PKCE is for every client here (RFC 9700 §2.1.1), and `plain` for none. */
function codeChallengeOf(params: URLSearchParams): string {
  const challenge = params.get("code_challenge");
  if (!challenge)
    throw invalid("Send code_challenge and code_challenge_method=S256: code challenge required");
  // Without a method RFC 7636 §4.3 reads "plain", which OAuth 2.1 removed.
  if (params.get("code_challenge_method") !== "S256") throw invalid("Send code_challenge_method=S256");
  if (!isCodeChallenge(challenge)) {
    throw invalid("Send as code_challenge the base64url SHA-256 of the verifier: 43 characters");
  }
  return challenge;
}

function resourcesOf(params: URLSearchParams): readonly string[] {
  const [first, ...others] = params.getAll("resource").filter(Boolean).map(parseResource);
  if (first === undefined) return [];
  if (!others.every((other) => sameResource(first, other))) {
    throw new OAuthError("invalid_target", "Ask for one resource at a time");
  }
  return [first];
}

/** "If this parameter contains none with any other value, an error is returned" (OIDC Core §3.1.2.1). */
function promptOf(params: URLSearchParams): readonly string[] {
  const values = [...new Set((params.get("prompt") ?? "").split(" ").filter(Boolean))];
  if (!values.every((value) => PROMPTS.includes(value))) {
    throw invalid(`Send prompt with values of: ${PROMPTS.join(", ")}`);
  }
  if (values.includes("none") && values.length > 1) throw invalid("Send prompt=none alone");
  return values;
}

function maxAgeOf(params: URLSearchParams): number | undefined {
  const value = params.get("max_age");
  if (!value) return undefined;
  if (!/^[0-9]{1,9}$/.test(value)) throw invalid("Send max_age as a whole number of seconds");
  return Number(value);
}

/** What this server cannot do is refused before anybody signs in for nothing (RFC 9470 §5). */
function acrValuesOf(params: URLSearchParams): readonly string[] {
  const asked = (params.get("acr_values") ?? "").split(" ").filter(Boolean);
  const known = asked.filter((value) => ACR_VALUES.includes(value));
  if (asked.length === known.length || known.length > 0) return [...new Set(known)];
  throw new OAuthError(
    "unmet_authentication_requirements",
    `Send acr_values with some of: ${ACR_VALUES.join(", ")}`,
  );
}

/** A SHA-256 thumbprint, base64url (RFC 9449 §10). */
function dpopJktOf(params: URLSearchParams): string | undefined {
  const value = params.get("dpop_jkt");
  if (!value) return undefined;
  if (!/^[\w-]{43}$/.test(value))
    throw invalid("Send dpop_jkt as the SHA-256 thumbprint of a key: 43 characters");
  return value;
}

/** PostgreSQL text cannot hold NUL. */
function isStorable(value: string): boolean {
  return !value.includes("\0") && Buffer.byteLength(value) <= MAX_STATE_BYTES;
}

function invalid(description: string): OAuthError {
  return new OAuthError("invalid_request", description);
}
