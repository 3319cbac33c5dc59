import { randomBytes } from "node:crypto";
import { isIP } from "node:net";
import type { Context } from "@/lib/context";
import { OAuthError } from "@/lib/errors";
import { hashSecret } from "@/lib/ids";
import { boundNonce, isBoundNonce, NONCE_RANDOM_BYTES, nonceMadeAt } from "@/lib/oauth/bound-nonce";
import { deriveKey } from "@/lib/secret-key";
import type { SignedIn } from "./sessions";
import type { Use } from "./used-assertions";

/** Loaded when the first passkey is used: what it brings along for attestations costs a start 0.2 s and 25 MB. */
export const simpleWebAuthn = () => import("@simplewebauthn/server");

/** Whom passkeys of this server are for. */
export type RelyingParty = { id: string; name: string; origin: string };

/**
 * The relying party that this server is, from the issuer alone (product decision D3); undefined where it is known by
 * an address: passkeys belong to a domain (WebAuthn Level 3 §5.1.3).
 */
export function relyingPartyOf({
  serverUrl,
}: Pick<Context["settings"], "serverUrl">): RelyingParty | undefined {
  const { hostname, host, origin } = new URL(serverUrl);
  if (isIP(hostname) !== 0 || hostname.startsWith("[")) return undefined;
  return { id: hostname, name: `Authgent at ${host}`, origin };
}

/** The relying party, or a refusal that says why there is none. */
export function requireRelyingParty({ settings }: Pick<Context, "settings">): RelyingParty {
  const party = relyingPartyOf(settings);
  if (party) return party;
  throw new OAuthError(
    "conflict",
    `Passkeys need a server with a domain name; this one is known by an address: ${settings.serverUrl}.`,
  );
}

/** A person at their browser: what a challenge is given to, and taken back from. */
export type Person = { by: SignedIn; browser: string };

/** What authenticators know a person by: says nothing of them, and is the same for all their passkeys (§14.6.1). */
export const userHandle = (userId: string): Uint8Array<ArrayBuffer> => new TextEncoder().encode(userId);

/** A challenge is answered within this time, in seconds; browsers are told the same. */
export const CHALLENGE_TTL = 300;

/** A nonce that only this session, in this browser, can bring back, for this purpose. */
export const issueNonce = (ctx: Pick<Context, "settings" | "now">, person: Person, purpose: string): Buffer =>
  boundNonce(keyOf(ctx), bindingOf(person, purpose), {
    now: ctx.now(),
    random: randomBytes(NONCE_RANDOM_BYTES),
  });

/** What using a nonce up has to note; undefined: it is not one that this person was given for this, or not any more. */
export function checkNonce(
  ctx: Pick<Context, "settings" | "now">,
  person: Person,
  { purpose, nonce }: { purpose: string; nonce: Buffer },
): Use | undefined {
  const limits = { nonce, now: ctx.now(), maxAge: CHALLENGE_TTL };
  if (!isBoundNonce(keyOf(ctx), bindingOf(person, purpose), limits)) return undefined;
  return {
    issuer: `passkey ${person.by.user.id}`,
    jti: nonce.toString("base64url"),
    expiresAt: new Date(nonceMadeAt(nonce).getTime() + CHALLENGE_TTL * 1000),
  };
}

const keyOf = ({ settings }: Pick<Context, "settings">): Buffer =>
  deriveKey(settings.secretKey, "passkey-challenge");

const bindingOf = ({ by, browser }: Person, purpose: string): string =>
  JSON.stringify([by.session.idHash, hashSecret(browser), purpose]);

/** The refusal of a challenge that is not ours, not this person's, or too old. */
export function staleChallenge(reason: string): OAuthError {
  const description = "This took too long, or the page has changed since. Load it again and repeat.";
  return new OAuthError("invalid_request", description, { reason });
}
