import { z } from "zod";
import { OAuthError } from "@/lib/errors";
import type { Actor } from "./access-token";
import { formatScope, isScopeToken } from "./scope";

/** "The typ Header Parameter MUST be present and MUST have the value txntoken+jwt" (JWT Header). */
export const TXN_TOKEN_TYPE = "txntoken+jwt";

/** "SHOULD limit the number of times a Txn-Token is replaced" (Txn-Token as a subject_token). */
const MAX_REPLACEMENTS = 5;
/** Bytes of each context, as JSON: a transaction token travels in a header. */
const MAX_BYTES = 4096;
const MAX_DEPTH = 5;

/** Whole seconds since 1970, up to the year 9999 (RFC 7519 §2, NumericDate). */
const numericDate = z.int().positive().max(253_402_300_799);
const identifier = z.string().min(1).max(2048);
const JsonObject = z.record(z.string(), z.unknown());
type JsonObject = Readonly<z.infer<typeof JsonObject>>;

const Chain = z.object({
  sub: identifier,
  iss: identifier.optional(),
  client_id: identifier.optional(),
  get act() {
    return Chain.optional();
  },
});

const Claims = z.object({
  iss: identifier,
  iat: numericDate,
  /** The trust domain. */
  aud: identifier,
  exp: numericDate,
  txn: z.uuid(),
  sub: identifier,
  scope: z.string().refine((value) => value.split(" ").every(isScopeToken)),
  /** The workload that asked for this token. */
  req_wl: identifier,
  /** Who acts for `sub`: the agent the transaction began with (draft-araut-oauth-transaction-tokens-for-agents-02). */
  act: Chain.optional(),
  tctx: JsonObject.optional(),
  rctx: JsonObject,
  /** In a replacement: every workload that asked for a token of the transaction, the first one first. */
  call_chain: z.array(identifier).min(2).optional(),
});

/** The payload of a transaction token (draft-ietf-oauth-transaction-tokens-11, JWT Body Claims). */
export type TransactionClaims = z.infer<typeof Claims>;

/** Reads the payload of a token whose signature and `typ` are verified already. */
export function parseTransactionClaims(payload: unknown): TransactionClaims {
  const parsed = Claims.safeParse(payload);
  if (parsed.success) return parsed.data;
  throw new OAuthError("invalid_request", "Send a transaction token as this server wrote it.", {
    reason: "a claim of the transaction token is missing or malformed",
  });
}

/** Who asks for a token, what it may do, and what they say of the request (Txn-Token Request). */
type Request = {
  requester: string;
  scope: readonly string[];
  details: JsonObject | undefined;
  context: JsonObject | undefined;
  issuedAt: Date;
  /** Seconds. */
  ttl: number;
};

type Start = {
  issuer: string;
  trustDomain: string;
  txn: string;
  sub: string;
  act: Actor | undefined;
  address: string;
};

/** The payload to sign for a transaction that begins (Txn-Token Request Processing). */
export function transactionClaims(start: Start, request: Request): TransactionClaims {
  return {
    iss: start.issuer,
    aud: start.trustDomain,
    txn: start.txn,
    sub: start.sub,
    ...(start.act && { act: start.act }),
    ...ofRequest(request),
    ...(request.details && { tctx: request.details }),
    // "The TTS is authoritative for the set of claims made available in the rctx claim."
    rctx: { ...request.context, req_ip: start.address, authn: "urn:ietf:rfc:6749" },
  };
}

/** The payload that replaces another of the same transaction; the caller has narrowed its scope and lifetime. */
export function replacementClaims(original: TransactionClaims, request: Request): TransactionClaims {
  const callChain = [...(original.call_chain ?? [original.req_wl]), request.requester];
  if (callChain.length > MAX_REPLACEMENTS + 1) {
    throw refusal(`This transaction token was replaced ${MAX_REPLACEMENTS} times. Start a new transaction.`);
  }
  // "values that remain immutable throughout the Call Chain"
  if (request.details)
    throw refusal("Leave out request_details: what a transaction is about does not change.");
  const { iss, aud, txn, sub, act, tctx, rctx } = original;
  return {
    // "MUST NOT modify txn, sub, and aud values of the Txn-Token in the request."
    ...{ iss, aud, txn, sub },
    ...(act && { act }),
    ...ofRequest(request),
    ...(tctx && { tctx }),
    rctx: withMore(rctx, request.context ?? {}),
    // "MUST maintain the Call Chain of workloads that requested the Txn-Token being replaced"
    call_chain: callChain,
  };
}

function ofRequest({ requester, scope, issuedAt, ttl }: Request) {
  const iat = Math.floor(issuedAt.getTime() / 1000);
  return { iat, exp: iat + ttl, scope: formatScope(scope), req_wl: requester };
}

/** "MAY enable additional asserted values": what is there already stays as it is. */
function withMore(rctx: JsonObject, more: JsonObject): JsonObject {
  const taken = Object.keys(more).find((name) => Object.hasOwn(rctx, name));
  if (taken !== undefined) {
    throw refusal("A member of request_context is in the transaction already. Send only what is new.");
  }
  const both = { ...rctx, ...more };
  if (Object.keys(more).length > 0 && sizeOf(both) > MAX_BYTES) throw tooLarge("request_context");
  return both;
}

/** Reads `request_details` or `request_context`: a JSON object, small enough for a header (Txn-Token Request). */
export function readJsonParameter(name: string, value: string | undefined): JsonObject | undefined {
  // "Parameters sent without a value MUST be treated as if they were omitted from the request" (RFC 6749 §3.1)
  if (!value) return undefined;
  const parsed = jsonOf(value);
  if (!isObject(parsed) || !isShallow(parsed, MAX_DEPTH)) {
    throw refusal(`Send ${name} as a JSON object of at most ${MAX_DEPTH} levels.`);
  }
  if (!hasExactNumbers(parsed)) {
    throw refusal(`Send large numbers in ${name} as text: as numbers they would not arrive word for word.`);
  }
  if (sizeOf(parsed) > MAX_BYTES) throw tooLarge(name);
  return parsed;
}

function jsonOf(value: string): unknown {
  try {
    return JSON.parse(value);
  } catch {
    return undefined;
  }
}

const isObject = (value: unknown): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** True for JSON of at most `depth` levels that changes nothing of a verifier that copies it. */
function isShallow(value: unknown, depth: number): boolean {
  if (typeof value !== "object" || value === null) return true;
  if (depth === 0 || Object.hasOwn(value, "__proto__")) return false;
  return Object.values(value).every((inner) => isShallow(inner, depth - 1));
}

/** True for JSON whose numbers are what was sent: a large one may have become another, or endless (RFC 8259 §6). */
function hasExactNumbers(value: unknown): boolean {
  if (typeof value === "number") return Math.abs(value) <= Number.MAX_SAFE_INTEGER;
  if (typeof value !== "object" || value === null) return true;
  return Object.values(value).every(hasExactNumbers);
}

const sizeOf = (value: JsonObject): number => Buffer.byteLength(JSON.stringify(value));
const tooLarge = (name: string) => refusal(`Send ${name} with less in it: it may have ${MAX_BYTES} bytes.`);
const refusal = (description: string) => new OAuthError("invalid_request", description);
