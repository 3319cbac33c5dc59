import type { ErrorCode, ErrorDetail } from "@/lib/errors";
import type { AuthorizationDetail } from "@/lib/oauth/authorization-details";

/** A token about to be issued: who would hold it, for whom, to do what, where. */
export type PolicyRequest = {
  grantType: string;
  /** The client that would hold the token. */
  clientId: string;
  /** `user:<id>` or `client:<client_id>`. */
  subject: string;
  /** Who would act, the current actor first; empty: the subject itself. */
  actors: readonly string[];
  scope: readonly string[];
  audience: string;
  /** What it would say in detail; absent: nothing. */
  authorizationDetails?: readonly AuthorizationDetail[];
  /** What of it the registrations want a person to approve each time; absent: nothing. */
  approval?: { scope: readonly string[]; types: readonly string[] };
  /** What the subject token and the registrations behind it say; absent: no token is exchanged. */
  delegation?: Delegation;
};

/** The facts a delegation is judged by: registrations and the subject token, nothing that the caller claims. */
export type Delegation = {
  /** The client the subject token was issued to; undefined: another server issued it. */
  issuedTo: string | undefined;
  heldScope: readonly string[];
  requestedScope: readonly string[];
  /** What the acting client may have at the audience; undefined: no limit was registered. */
  registeredScope: readonly string[];
  /** Why the authorization details that are asked for are none that may be had; absent: they are. */
  detailsProblem?: string | undefined;
  /** `may_act` of the subject token, as it is there. */
  mayAct: unknown;
  /** Clients that the registration of the agent behind the subject token lets act; empty: not said. */
  registeredMayAct: readonly string[];
  /** Whether audience, registration or kinship lets the acting client use the subject token at all. */
  mayUseSubjectToken: boolean;
  /** `allowed_exchange_targets` of the agent behind the subject token; empty: not said. */
  exchangeTargets: readonly string[];
  /** The same lists of those who held the token while it was handed from agent to agent: each bounds it. */
  exchangeBounds?: readonly (readonly string[])[];
  /** The resource a person allowed this at, where the audience is another one they did not. */
  allowedElsewhere?: string | undefined;
  /** Thumbprint of the key that the subject token is bound to (RFC 9449 §6); undefined: a bearer token. */
  boundTo?: string | undefined;
  /** Thumbprint of the key that the request proves to hold. */
  provenKey?: string | undefined;
  /** Whether only the holder of that key may exchange it, as the operator set it; `strict` if absent. */
  keyPolicy?: "strict" | "audit" | "permissive";
  /** How often the chain was exchanged so far; self-exchanges count here, although they are no hops. */
  exchanges?: number;
  depth: number;
  maxDepth: number;
};

/** One reason to refuse, in the words the client is told. */
export type Denial = { code: ErrorCode; description: string; detail?: ErrorDetail };

/** What a policy says; `version` is kept with the token (issue of proof, not of trust). `step_up`: a person decides. */
export type Decision =
  | { effect: "allow"; version: string }
  | { effect: "step_up"; version: string }
  | { effect: "deny"; version: string; denials: readonly [Denial, ...Denial[]] };

/** Decides whether a token may be issued. A provider that cannot be asked is a refusal. */
export type PolicyProvider = { decide(request: PolicyRequest): Promise<Decision> };
