import { ERRORS, type ErrorCode, type ErrorDetail } from "./errors";

type Advice = {
  /** What the code says, for a developer who meets it for the first time. */
  means: string;
  /** What to do about it. */
  remedy: string;
};

/** What each error code means and what the developer of a client does about it, for the page behind `error_uri`. */
const ADVICE = {
  invalid_request: {
    means: "The request lacks a parameter, has one twice, or has one that cannot be read.",
    remedy:
      "Read error_description: it names the parameter. Send forms as application/x-www-form-urlencoded.",
  },
  invalid_client: {
    means: "The server does not know this client, or the client did not prove that it is the one it says.",
    remedy:
      "Check client_id and its secret, or the key and the audience of its assertion. If the client was removed here, register it again: most MCP clients do so when you remove and add the server.",
  },
  invalid_grant: {
    means: "The code or refresh token is unknown, used, expired, revoked, or was issued to another client.",
    remedy:
      "Start the authorization again. A code works once, with the redirect_uri and code_verifier of its own request; after a refresh only the newest refresh token works.",
  },
  unauthorized_client: {
    means: "This client is not registered for what it asks.",
    remedy: "Register the client with the grant type it uses, or use one it has.",
  },
  unsupported_grant_type: {
    means: "The server does not know this grant_type.",
    remedy: "Use one that grant_types_supported lists in the server metadata.",
  },
  invalid_scope: {
    means: "None of the scopes asked for can be given at this resource.",
    remedy: "Ask for scopes that error_description or scopes_supported in the resource metadata lists.",
  },
  invalid_dpop_proof: {
    means:
      "The request lacks the DPoP proof it needs, or the proof is not one for this request: another method, address, time, key or access token, or it was used before.",
    remedy:
      "Make a new proof for every request, with htm and htu of that request, the time of now and a jti of its own. error_description says what is wrong.",
  },
  use_dpop_nonce: {
    means: "The DPoP proof needs a recent nonce of this server.",
    remedy:
      "Send the request again with a new proof whose nonce is the value of the DPoP-Nonce header of this answer.",
  },
  authorization_pending: {
    means: "The person has not answered yet.",
    remedy: "Ask again after the interval, until there is an answer or the code expires.",
  },
  slow_down: {
    means: "The client polls faster than the interval it was given.",
    remedy: "Add five seconds to the interval, for this and all later polls.",
  },
  expired_token: {
    means: "Nobody answered in time.",
    remedy: "Start again: ask anew, and show the person what they are to answer.",
  },
  unknown_user_id: {
    means: "The hint names nobody whom this server knows.",
    remedy: "Send the e-mail address or the id of somebody who signed in here, as login_hint.",
  },
  invalid_binding_message: {
    means: "The message is too long, or is not one line of plain text.",
    remedy: "Send one line of at most 200 characters as binding_message.",
  },
  insufficient_user_authentication: {
    means: "The person has to prove who they are again, or in a stronger way.",
    remedy:
      "Have them sign in again, or confirm with a passkey of theirs; max_age says how fresh it has to be.",
  },
  unmet_authentication_requirements: {
    means: "The person cannot sign in here in the way that was asked for.",
    remedy: "Ask for one of acr_values_supported in the metadata of this server, or for none.",
  },
  approval_required: {
    means: "A person has to approve this each time, and was asked.",
    remedy:
      "Poll the token endpoint with the auth_req_id of this answer and the CIBA grant type, no faster than interval says. Or send completion_mode=deferred to be answered with a deferral_code, or completion_mode=narrowed to get a token without it at once.",
  },
  invalid_request_uri: {
    means: "The request_uri is unknown, used, expired, or was pushed by another client.",
    remedy: "Push the authorization request again, and use its request_uri once and soon.",
  },
  invalid_authorization_details: {
    means:
      "An authorization detail has a type that the resource does not know, does not fit its schema, or asks for more than what it builds on.",
    remedy:
      "Use the types of authorization_details_types_supported in the metadata of the resource, with the members that their schema has. error_description names the first that is wrong.",
  },
  use_attestation_challenge: {
    means: "The attestation's proof of possession needs a recent challenge of this server.",
    remedy:
      "Get one at challenge_endpoint of the server metadata, or from the header of this answer, and sign it.",
  },
  use_fresh_attestation: {
    means: "The client attestation is too old.",
    remedy: "Get a new attestation from your client attester, and try again.",
  },
  invalid_client_attestation: {
    means:
      "The client attestation or its proof is not valid: of another client, of an attester nobody trusts here, or without the key it names.",
    remedy:
      "Get a new attestation, and sign the proof with its key. The operator of this server says which attesters count.",
  },
  scope_escalation: {
    means: "The request asks for more than what it builds on was given.",
    remedy: "Ask for the same or fewer scopes. For more, send the person through /authorize again.",
  },
  agent_frozen: {
    means:
      "Somebody froze this agent: nothing is issued to it, and what it holds is refused, until it is thawed.",
    remedy: "Stop, and tell the person who runs the agent. Ask again when they say so.",
  },
  delegation_depth_exceeded: {
    means: "The chain of agents would be longer than this server allows.",
    remedy:
      "Let an agent nearer to the start of the chain ask for the token, or ask the operator for a longer chain.",
  },
  may_act_violation: {
    means: "The token says who may act with it, and this client is not among them.",
    remedy: "Let one of the named clients exchange it, or get a token that names this one.",
  },
  policy_denied: {
    means: "The policy of this server refuses this token.",
    remedy: "Read error_description: it has the reason. Ask the operator if it is wrong.",
  },
  software_not_allowed: {
    means: "This server does not admit the software that asks.",
    remedy: "Ask the operator to admit it, or to register a client for it.",
  },
  unsupported_response_type: {
    means: "The server answers authorization requests with a code only.",
    remedy: "Send response_type=code, with PKCE.",
  },
  access_denied: {
    means: "The person refused, or may not give what was asked.",
    remedy: "Do not ask again by yourself. Tell the person, and let them start over.",
  },
  server_error: {
    means: "Something went wrong at the server.",
    remedy: "Try again later. The operator finds this request by the X-Request-Id of the answer.",
  },
  temporarily_unavailable: {
    means: "The server is overloaded, or its database is away.",
    remedy: "Wait for the seconds in Retry-After, then send the same request again.",
  },
  invalid_token: {
    means: "The access token is missing, expired, revoked, or meant for another resource.",
    remedy: "Get a new one, with the resource parameter set to the address you call.",
  },
  insufficient_scope: {
    means: "The access token is good, and does not reach far enough.",
    remedy: "Ask for the scopes that WWW-Authenticate names, together with those you have.",
  },
  unsupported_token_type: {
    means: "The server cannot revoke tokens of this kind.",
    remedy: "Send an access token or a refresh token of this server.",
  },
  invalid_redirect_uri: {
    means: "The redirect_uri is not one the client registered, or not one that may be registered here.",
    remedy:
      "Send exactly what was registered; only the port of a loopback address may differ. To register one of your own, ask the operator to add it.",
  },
  invalid_client_metadata: {
    means: "A member of the registration cannot be accepted.",
    remedy: "Read error_description: it names the member and what it may be.",
  },
  invalid_target: {
    means: "The server does not protect the resource that was named, or this client may not use it.",
    remedy: "Send one of the resources that error_description names, or let the operator register yours.",
  },
  login_required: {
    means: "Nobody is signed in, and the request forbade to ask.",
    remedy: "Send the person to /authorize again, without prompt=none.",
  },
  consent_required: {
    means: "The person has to answer a question, and the request forbade to ask.",
    remedy: "Send the person to /authorize again, without prompt=none.",
  },
  interaction_required: {
    means: "The person has to do something, and the request forbade to ask.",
    remedy: "Send the person to /authorize again, without prompt=none.",
  },
  request_not_supported: {
    means: "The server takes no request objects.",
    remedy: "Send the parameters themselves, without request.",
  },
  request_uri_not_supported: {
    means: "The server takes no request objects by address.",
    remedy: "Send the parameters themselves, without request_uri.",
  },
  validation_failed: {
    means: "The JSON was understood, and a member of it cannot be accepted.",
    remedy: "The answer names the members and what is wrong with each.",
  },
  not_found: {
    means: "There is nothing at this address, or nothing that you may see.",
    remedy: "Check the id, and that you act as its owner.",
  },
  conflict: {
    means: "What was asked for is there already, or was done by somebody else first.",
    remedy: "Read it anew before you change it.",
  },
  forbidden: {
    means: "You are known here, and may not do this.",
    remedy: "Use an account or a token that may. A form must come from the page it was shown on.",
  },
  method_not_allowed: {
    means: "This address does not take requests of this method.",
    remedy: "Use one of those that the Allow header lists.",
  },
  content_too_large: {
    means: "The body is larger than any request here needs to be.",
    remedy: "Send less, or several requests.",
  },
  unsupported_media_type: {
    means: "The body is in a format that this address does not take.",
    remedy: "Send JSON as application/json, forms as application/x-www-form-urlencoded.",
  },
  too_many_requests: {
    means: "Too many requests came from this client or address.",
    remedy: "Wait for the seconds in Retry-After, and go on more slowly.",
  },
} as const satisfies Record<ErrorCode | ErrorDetail, Advice>;

/** The advice for a code or its refinement, with the section that defines the code; undefined: there is no such code. */
export function errorAdvice(name: string): (Advice & { spec: string | undefined }) | undefined {
  const advice = Object.entries(ADVICE).find(([code]) => code === name)?.[1];
  const spec = Object.entries(ERRORS).find(([code]) => code === name)?.[1].spec;
  return advice && { ...advice, spec };
}
