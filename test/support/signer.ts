import { createPrivateKey, createPublicKey, type KeyObject } from "node:crypto";
import { eq } from "drizzle-orm";
import { signingKeys } from "@/db/schema/keys";
import type { Context } from "@/lib/context";
import { signJws } from "@/lib/oauth/jws";
import { openPrivateKey } from "@/lib/services/keys";

type Json = Record<string, unknown>;

/** The payload of a compact JWS, unverified. */
export const claimsOf = (token: string): Json =>
  JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString());

/** The server's own active key in the hands of a test: signs headers and claims the server itself never would. */
export async function ownSigner(ctx: Context) {
  const [row] = await ctx.db.select().from(signingKeys).where(eq(signingKeys.status, "active"));
  if (!row) throw new Error("no key is active");
  const key = createPrivateKey({ key: await openPrivateKey(ctx, row.privateJwe), format: "jwk" });
  const publicKey: KeyObject = createPublicKey(key);
  return {
    kid: row.kid,
    publicKey,
    publicJwk: row.publicJwk,
    sign: (claims: Json, header: Json = {}): string =>
      signJws({ typ: "at+jwt", kid: row.kid, ...header }, JSON.stringify(claims), { alg: row.alg, key }),
  };
}
