import { createHash } from "node:crypto";
import { z } from "zod";
import { OAuthError } from "@/lib/errors";
import type { AccessTokenClaims, Actor } from "./access-token";
import { delegationDepth } from "./actor";
import type { AuthorizationDetail } from "./authorization-details";
import { formatScope, isScopeToken } from "./scope";

/** The `typ` of a receipt, which no token has (RFC 8725 §3.11). */
export const RECEIPT_TYPE = "receipt+jwt";

/** Whole seconds since 1970, up to the year 9999 (RFC 7519 §2, NumericDate). */
const numericDate = z.int().positive().max(253_402_300_799);
const identifier = z.string().min(1).max(2048);
const scope = z.string().refine((value) => value === "" || value.split(" ").every(isScopeToken));
/** A SHA-256, base64url. */
const digest = z.string().regex(/^[\w-]{43}$/);

const Chain = z.strictObject({
  sub: identifier,
  iss: identifier.optional(),
  client_id: identifier.optional(),
  get act() {
    return Chain.optional();
  },
});

const OwnOrigin = z.strictObject({
  grant: identifier.optional(),
  approval: identifier.optional(),
  jti: z.uuid(),
  sub: identifier,
  client_id: identifier,
  scope,
  aud: identifier,
  iat: numericDate,
  exp: numericDate,
});

const ForeignOrigin = z.strictObject({
  issuer: identifier,
  sub: identifier,
  jti: identifier.optional(),
  /** Who acted already, as that server asserted it. */
  act: Chain.optional(),
});

/** Absent where the token says none; in receipts older than they are, too. */
const details = z.array(z.looseObject({ type: identifier })).optional();

const Hop = z.strictObject({
  iss: identifier,
  iat: numericDate,
  jti: z.uuid(),
  sub: identifier,
  client_id: identifier,
  act: Chain.optional(),
  depth: z.int().nonnegative(),
  aud: identifier,
  scope,
  authorization_details: details,
  exp: numericDate,
  actor_token: z.strictObject({ jti: identifier }).optional(),
  policy: identifier,
  approval: identifier.optional(),
  grant: identifier.optional(),
  jkt: digest.nullable(),
});

const Parent = z.strictObject({
  jti: z.uuid(),
  client_id: identifier,
  aud: identifier,
  scope,
  authorization_details: details,
  exp: numericDate,
  act: Chain.optional(),
  receipt: digest,
});

const Claims = z.union([
  Hop.extend({ parent: Parent }),
  Hop.extend({ parent: Parent.extend({ receipt: z.null() }), origin: OwnOrigin }),
  // What another server's token allowed there bounds nothing here: such a chain narrows from its first hop on.
  Hop.extend({ parent: z.strictObject({ receipt: z.null() }), origin: ForeignOrigin }),
]);

/** What a hop of a delegation made of which token, by whom and under which policy: the payload of its receipt. */
export type ReceiptClaims = z.infer<typeof Claims>;

/** What a chain started from: a token of ours that no exchange made, or the token of another server. */
export type ReceiptOrigin = z.infer<typeof OwnOrigin> | z.infer<typeof ForeignOrigin>;

/** A token of ours that is exchanged, as it says itself, and what it descends from. */
type Subject = {
  claims: AccessTokenClaims;
  grant?: string | undefined;
  approval?: string | undefined;
};

type ForeignSubject = { issuer: string; sub: string; jti?: string | undefined; act?: Actor | undefined };

/** One hop as the server made it. */
export type HopInput = {
  issuer: string;
  issuedAt: Date;
  /** The token the hop makes. */
  jti: string;
  /** Its `sub`. */
  sub: string;
  /** Who holds it. */
  clientId: string;
  act?: Actor | undefined;
  audience: string;
  scope: readonly string[];
  authorizationDetails?: readonly AuthorizationDetail[] | undefined;
  expiresAt: Date;
  /** The token that is exchanged for it. */
  subject: Subject | ForeignSubject;
  /** The `jti` of the actor token. */
  actorToken?: string | undefined;
  /** The version of the policy that allowed it. */
  policy: string;
  approval?: string | undefined;
  grant?: string | undefined;
  /** Thumbprint of the key the token is bound to; undefined for a bearer token (RFC 7638). */
  jkt?: string | undefined;
};

/** The payload to sign for one hop of a delegation. */
export function receiptClaims(hop: HopInput): ReceiptClaims {
  return {
    iss: hop.issuer,
    iat: secondsOf(hop.issuedAt),
    jti: hop.jti,
    sub: hop.sub,
    client_id: hop.clientId,
    ...(hop.act && { act: hop.act }),
    depth: delegationDepth(hop.act),
    aud: hop.audience,
    scope: formatScope(hop.scope),
    ...(hop.authorizationDetails?.length && { authorization_details: [...hop.authorizationDetails] }),
    exp: secondsOf(hop.expiresAt),
    ...(hop.actorToken && { actor_token: { jti: hop.actorToken } }),
    policy: hop.policy,
    ...(hop.approval && { approval: hop.approval }),
    ...(hop.grant && { grant: hop.grant }),
    jkt: hop.jkt ?? null,
    ...beforeHop(hop.subject),
  };
}

function beforeHop(subject: Subject | ForeignSubject) {
  if (!("claims" in subject)) {
    const { issuer, sub, jti, act } = subject;
    return { parent: { receipt: null }, origin: { issuer, sub, ...(jti && { jti }), ...(act && { act }) } };
  }
  const { claims, grant, approval } = subject;
  const { jti, sub, client_id, aud, scope, authorization_details, exp, iat, act } = claims;
  const said = { ...(authorization_details && { authorization_details }), ...(act && { act }) };
  const parent = { jti, client_id, aud, scope, exp, ...said };
  if (claims.rcpt) return { parent: { ...parent, receipt: claims.rcpt } };
  return {
    parent: { ...parent, receipt: null },
    origin: {
      ...(grant && { grant }),
      ...(approval && { approval }),
      ...{ jti, sub, client_id, scope, aud, iat, exp },
    },
  };
}

/** Reads the payload of a receipt whose signature and `typ` are verified already; a member we do not know is refused. */
export function parseReceiptClaims(payload: unknown): ReceiptClaims {
  const parsed = Claims.safeParse(payload);
  if (parsed.success) return parsed.data;
  throw new OAuthError("invalid_request", "Send receipts as this server wrote them.", {
    reason: "a member of the receipt is missing, unknown or malformed",
  });
}

/** What tokens and later receipts know a receipt by: the SHA-256 of its compact serialization, base64url. */
export const receiptHash = (jws: string): string => createHash("sha256").update(jws).digest("base64url");

const secondsOf = (date: Date): number => Math.floor(date.getTime() / 1000);
