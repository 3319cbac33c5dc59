import { z } from "zod";
import { isOAuthError } from "@/lib/errors";
import { type AccessTokenClaims, type Actor, parseAccessTokenClaims } from "./access-token";
import { currentActor, delegationDepth } from "./actor";
import { type VerificationKey, verifyCompactJws } from "./compact-jws";
import {
  parseReceiptClaims,
  RECEIPT_TYPE,
  type ReceiptClaims,
  type ReceiptOrigin,
  receiptHash,
} from "./receipt";
import { sameJson } from "./same-json";
import { importVerificationKey } from "./verification-key";

/** Receipts that a chain may have, which is more than any depth limit allows. */
export const MAX_HOPS = 64;

const Jwks = z.object({ keys: z.array(z.looseObject({ kid: z.string(), alg: z.string() })) });

const Bundle = z.strictObject({
  issuer: z.string().min(1),
  exported_at: z.iso.datetime(),
  jwks: Jwks,
  /** Compact JWS, the receipt of the first hop first. */
  receipts: z.array(z.string()).max(MAX_HOPS),
});

/** Everything that proves the chain of one token to somebody who cannot ask the server. */
export type Bundle = z.infer<typeof Bundle>;

/** One hop of a proven chain. */
export type ProvenHop = {
  /** Who acts from here on. */
  actor: string;
  clientId: string;
  audience: string;
  /** Undefined where the chain came from another server, whose scopes are not ours. */
  scopeBefore: readonly string[] | undefined;
  scopeAfter: readonly string[];
  /** What the hop gave up. */
  dropped: readonly string[];
  /** Types of the authorization details of the token before, and of its own. */
  detailsBefore: readonly string[];
  detailsAfter: readonly string[];
  expiresAt: Date;
  policy: string;
  approval: string | undefined;
};

export type ChainProof =
  | { ok: true; issuer: string; origin: ReceiptOrigin; hops: readonly ProvenHop[]; expired: boolean }
  | { ok: false; problems: readonly string[] };

type Input = {
  token: string;
  /** As it was exported: nothing in it is believed before it is read here. */
  bundle: unknown;
  /** Keys that the caller trusts; those of the bundle if absent, and then the proof is worth what the bundle is. */
  jwks?: unknown;
  /** Who must have issued it all; whom the bundle names if absent. */
  issuer?: string | undefined;
  now: Date;
};

/**
 * Proves without asking anybody that the delegations behind a token only narrowed it and that none of them was
 * left out, put in or joined from another chain; also of a token that has expired.
 */
export function verifyChain({ token, bundle, jwks, issuer, now }: Input): ChainProof {
  const parsed = Bundle.safeParse(bundle);
  if (!parsed.success) return failed(["The bundle is not in the form that a server exports."]);
  const trusted = Jwks.safeParse(jwks ?? parsed.data.jwks);
  if (!trusted.success) return failed(["The keys are no JWKS whose keys have kid and alg."]);

  const chain = readChain(token, parsed.data.receipts, importKeys(trusted.data.keys));
  if ("problems" in chain) return failed(chain.problems);
  const expected = issuer ?? parsed.data.issuer;
  const problems = [...findProblems(chain, expected)];
  if (problems.length > 0) return failed(problems);
  return {
    ok: true,
    issuer: expected,
    origin: originOf(chain),
    hops: chain.hops.map(provenHop),
    expired: chain.token.exp * 1000 <= now.getTime(),
  };
}

const failed = (problems: readonly string[]): ChainProof => ({ ok: false, problems });

/** A receipt as it was signed. */
type Hop = { hash: string; claims: ReceiptClaims };
type Chain = { token: AccessTokenClaims; hops: readonly Hop[] };

/** The keys we can use, by `kid`; another algorithm is none of ours, and what it signed will find no key. */
function importKeys(jwks: z.infer<typeof Jwks>["keys"]): ReadonlyMap<string, VerificationKey> {
  const keys = new Map<string, VerificationKey>();
  for (const jwk of jwks) {
    try {
      keys.set(jwk.kid, importVerificationKey(jwk, jwk.alg));
    } catch (error) {
      if (!isOAuthError(error)) throw error;
    }
  }
  return keys;
}

/** Verifies every signature; where one is missing there is nothing to compare. */
function readChain(
  token: string,
  receipts: readonly string[],
  keys: ReadonlyMap<string, VerificationKey>,
): Chain | { problems: readonly string[] } {
  const problems: string[] = [];
  const attempt = <Claims>(what: string, jws: string, typ: string, parse: (payload: unknown) => Claims) => {
    try {
      return [parse(verifyCompactJws(jws, { typ, keys }).payload)];
    } catch (error) {
      if (!isOAuthError(error)) throw error;
      problems.push(`${what} cannot be believed: ${error.options.reason}.`);
      return [];
    }
  };
  const [claims] = attempt("The token", token, "at+jwt", parseAccessTokenClaims);
  const hops = receipts.flatMap((jws, index) =>
    attempt(`Hop ${index + 1}: its receipt`, jws, RECEIPT_TYPE, parseReceiptClaims).map((receipt) => ({
      hash: receiptHash(jws),
      claims: receipt,
    })),
  );
  return claims && problems.length === 0 ? { token: claims, hops } : { problems };
}

function* findProblems({ token, hops }: Chain, issuer: string): Iterable<string> {
  if (token.iss !== issuer) yield `The token was issued by ${token.iss}, not by ${issuer}.`;
  for (const [index, { claims }] of hops.entries()) {
    const hop = `Hop ${index + 1}`;
    if (claims.iss !== issuer) yield `${hop}: its receipt was signed for ${claims.iss}, not for ${issuer}.`;
    yield* findBreaks(hop, claims, hops[index - 1], `hop ${index}`);
    yield* findWidening(hop, claims, stateBefore(claims, hops[index - 1]?.claims));
  }
  yield* findEndProblems(token, hops);
}

/** Whether a hop starts exactly where the one before it ended. */
function* findBreaks(
  hop: string,
  { parent, ...claims }: ReceiptClaims,
  before: Hop | undefined,
  nameBefore: string,
): Iterable<string> {
  if (!before) {
    if (parent.receipt !== null) yield `${hop}: it continues a receipt that is not in the bundle.`;
    else if ("origin" in claims && "jti" in parent) yield* findOriginProblems(hop, parent, claims.origin);
    return;
  }
  if (parent.receipt === null) {
    yield `${hop}: it starts a chain of its own and does not continue ${nameBefore}.`;
    return;
  }
  if (parent.receipt !== before.hash)
    yield `${hop}: it continues another receipt than that of ${nameBefore}.`;
  for (const name of differences({ ...parent, sub: claims.sub }, before.claims, [
    ...MEMBERS,
    ...DETAILS,
    "act",
  ]))
    yield `${hop}: the ${name} it started from is not what ${nameBefore} made.`;
}

function* findOriginProblems(
  hop: string,
  parent: Omit<State, "sub">,
  origin: ReceiptOrigin,
): Iterable<string> {
  if ("issuer" in origin) return;
  for (const name of differences({ ...parent, sub: origin.sub }, origin, MEMBERS))
    yield `${hop}: the ${name} it started from is not that of the origin.`;
  if (parent.act) yield `${hop}: the token it started from names actors (act) that no receipt proves.`;
}

/** Whether a hop gave more than there was: scope, time, another subject, other actors. */
function* findWidening(hop: string, claims: ReceiptClaims, before: Before): Iterable<string> {
  if (before.scope !== undefined) {
    const held = namesIn(before.scope);
    const gained = namesIn(claims.scope).filter((name) => !held.includes(name));
    if (gained.length > 0) yield `${hop}: its scope gained ${gained.join(" ")}.`;
  }
  const more = before.scope === undefined ? [] : typesGained(before, claims);
  if (more.length > 0) yield `${hop}: its authorization details gained ${more.join(" ")}.`;
  if (before.exp !== undefined && claims.exp > before.exp) yield `${hop}: its token outlives the one before.`;
  if (before.sub !== undefined && claims.sub !== before.sub)
    yield `${hop}: its subject changed from ${before.sub} to ${claims.sub}.`;

  const actors = actorsIn(claims);
  const earlier = actorsIn({ sub: claims.sub, act: before.act });
  const added = actors.length - earlier.length;
  if ((added !== 0 && added !== 1) || !earlier.every((actor, index) => actor === actors[index + added]))
    yield `${hop}: its actors are not those before it with at most one more in front.`;
  if (claims.depth !== delegationDepth(claims.act))
    yield `${hop}: its depth is ${claims.depth}, and its chain has ${delegationDepth(claims.act)} actors.`;
}

/** Whether the token is the one that the last hop made. */
function* findEndProblems(token: AccessTokenClaims, hops: readonly Hop[]): Iterable<string> {
  const last = hops.at(-1);
  if (token.rcpt === undefined) {
    if (token.act) yield "The token names actors (act) and no receipt (rcpt) that proves them.";
    if (last) yield "The token names no receipt (rcpt), and the bundle has some.";
    return;
  }
  if (!last) {
    yield "The receipt that the token names (rcpt) is not in the bundle.";
    return;
  }
  if (token.rcpt !== last.hash)
    yield "The token names another receipt (rcpt) than the last one of the bundle.";
  for (const name of differences(token, last.claims, [...MEMBERS, ...DETAILS, "sub", "act"]))
    yield `The token's ${name} is not what hop ${hops.length} made.`;
}

/** What tokens and receipts both say of a token. */
type State = Pick<
  AccessTokenClaims,
  "jti" | "sub" | "client_id" | "aud" | "scope" | "authorization_details" | "exp" | "act"
>;
const MEMBERS = ["jti", "client_id", "aud", "scope", "exp"] as const;
const DETAILS = ["authorization_details"] as const;

const differences = (a: State, b: State, members: readonly (keyof State)[]): readonly string[] =>
  members.filter((name) =>
    name === "act" ? actorsIn(a).join(" ") !== actorsIn(b).join(" ") : !sameJson(a[name], b[name]),
  );

/**
 * Types that more details are of after a hop than before it. Whether each of them says less takes the schema of its
 * type, which only the server has.
 */
function typesGained(before: Before, after: Before): readonly string[] {
  const count = ({ authorization_details: details = [] }: Before, type: string) =>
    details.filter((detail) => detail.type === type).length;
  const types = new Set(typesOf(after.authorization_details));
  return [...types].filter((type) => count(after, type) > count(before, type));
}

const typesOf = (details: State["authorization_details"] = []): readonly string[] =>
  details.map(({ type }) => type);

/** The token before a hop, as far as anything binds the hop to it. */
type Before = Partial<Pick<State, "sub" | "scope" | "authorization_details" | "exp" | "act">>;

function stateBefore(claims: ReceiptClaims, before: ReceiptClaims | undefined): Before {
  if (before) return before;
  if (!("origin" in claims)) return "jti" in claims.parent ? claims.parent : {};
  if ("issuer" in claims.origin) return claims.origin.act ? { act: claims.origin.act } : {};
  return { ...claims.origin, authorization_details: detailsBefore(claims) };
}

const detailsBefore = ({ parent }: ReceiptClaims) =>
  "jti" in parent ? parent.authorization_details : undefined;

/** Everybody in a chain, outermost first; the person it started from may stand innermost and is no actor (D7). */
function actorsIn({ sub, act }: { sub: string; act?: Actor | undefined }): readonly string[] {
  if (!act || (act.sub === sub && sub.startsWith("user:") && !act.act)) return [];
  const { act: inner, ...actor } = act;
  return [JSON.stringify([actor.sub, actor.iss, actor.client_id]), ...actorsIn({ sub, act: inner })];
}

const namesIn = (scope: string): readonly string[] => scope.split(" ").filter(Boolean);

function originOf({ token, hops: [first] }: Chain): ReceiptOrigin {
  if (first && "origin" in first.claims) return first.claims.origin;
  const { jti, sub, client_id, scope, aud, iat, exp } = token;
  return { jti, sub, client_id, scope, aud, iat, exp };
}

function provenHop({ claims }: Hop): ProvenHop {
  const scopeAfter = namesIn(claims.scope);
  const scopeBefore = "scope" in claims.parent ? namesIn(claims.parent.scope) : undefined;
  return {
    actor: currentActor(claims),
    clientId: claims.client_id,
    audience: claims.aud,
    scopeBefore,
    scopeAfter,
    detailsBefore: typesOf(detailsBefore(claims)),
    detailsAfter: typesOf(claims.authorization_details),
    dropped: scopeBefore?.filter((name) => !scopeAfter.includes(name)) ?? [],
    expiresAt: new Date(claims.exp * 1000),
    policy: claims.policy,
    approval: claims.approval,
  };
}
