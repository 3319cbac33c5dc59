import { boundedMap } from "@/lib/bounded-map";
import type { Context } from "@/lib/context";
import { OAuthError } from "@/lib/errors";
import {
  type BoundToken,
  DPOP_MAX_AGE,
  type DpopProof,
  type HolderKey,
  verifyDpopProof,
} from "@/lib/oauth/dpop-proof";
import { isRecentNonce, nonceAt } from "@/lib/oauth/rotating-nonce";
import { deriveKey } from "@/lib/secret-key";
import type { Call } from "./call";

/** The key of a proof that was used up already, by its request: within one it counts for all that it is asked for. */
const provenKeys = new WeakMap<Request, string>();

/**
 * The thumbprint of the key that a request proves to hold; undefined: it brings no proof (RFC 9449 §4.3). Every proof
 * counts once, on whatever instance. `token` is the one it comes with at a protected resource.
 */
export async function verifyProof(ctx: Context, call: Call, token?: BoundToken): Promise<string | undefined> {
  // A proof that authenticated the client is the one that its tokens are bound by (see client-auth/attestation.ts).
  const proven = token === undefined ? provenKeys.get(call.request) : undefined;
  if (proven !== undefined) return proven;
  const proof = readProof(ctx, call, { token });
  if (!proof) return undefined;
  await consume(ctx, proof);
  provenKeys.set(call.request, proof.jkt);
  return proof.jkt;
}

type Asked = { token?: BoundToken | undefined; needsNonce?: boolean };

/** The proof of a request, which is good but for having been used before; undefined: it brings none. */
export function readProof(
  ctx: Context,
  { request, url }: Call,
  { token, needsNonce = false }: Asked,
): DpopProof | undefined {
  const header = request.headers.get("dpop");
  if (header === null) return undefined;
  // From the issuer: what a proxy or the caller says of our address proves nothing.
  const address = `${ctx.settings.serverUrl}${url.pathname}`;
  const expected = { method: request.method, url: address, now: ctx.now(), token };
  const proof = verifyDpopProof(header, expected, knownKeys);
  checkNonce(ctx, proof, needsNonce || ctx.settings.dpopNonce === "required");
  return proof;
}

/** Clients come back with the same key: as many of them as are remembered here are read once (bench/README.md). */
const knownKeys = boundedMap<HolderKey>({ maxEntries: 5000, maxKeyLength: 1024 });

/** A nonce for the next proof of whoever is answered (RFC 9449 §8.2). */
export const currentDpopNonce = ({ settings, now }: Pick<Context, "settings" | "now">): string =>
  nonceAt(deriveKey(settings.secretKey, "dpop-nonce"), now());

/** A nonce that is there has to be recent; one has to be there where the operator says so (RFC 9449 §8). */
function checkNonce(ctx: Context, { nonce }: DpopProof, isNeeded: boolean): void {
  if (nonce === undefined && !isNeeded) return;
  if (nonce !== undefined && isRecentNonce(deriveKey(ctx.settings.secretKey, "dpop-nonce"), nonce, ctx.now()))
    return;
  throw new OAuthError(
    "use_dpop_nonce",
    "Send a new DPoP proof with the nonce of the DPoP-Nonce header of this answer.",
    {
      reason: nonce === undefined ? "no nonce" : "the nonce is old, or not ours",
      headers: { "dpop-nonce": currentDpopNonce(ctx) },
    },
  );
}

/** "the jti value has not been seen before", by any instance and after any restart (RFC 9449 §11.1). */
async function consume(ctx: Context, { jkt, jti, issuedAt }: DpopProof): Promise<void> {
  const expiresAt = new Date(issuedAt.getTime() + DPOP_MAX_AGE * 1000);
  if (await ctx.consumeOnce({ issuer: `dpop ${jkt}`, jti, expiresAt })) return;
  throw new OAuthError("invalid_dpop_proof", "Send a new DPoP proof: this one was used already.", {
    reason: "replayed proof",
  });
}

/** The refusal of a request that has to bring a proof and brings none; the nonce makes the next one count at once. */
export const proofRequired = (ctx: Context, because: string): OAuthError =>
  new OAuthError("invalid_dpop_proof", `Send a DPoP proof: ${because}.`, {
    reason: "no proof",
    headers: { "dpop-nonce": currentDpopNonce(ctx) },
  });
