import { createPrivateKey, createPublicKey } from "node:crypto";
import type { JWK } from "jose";
import type { Context } from "@/lib/context";
import { type SigningKey, signCompactJws, type VerificationKey } from "@/lib/oauth/compact-jws";
import { openPrivateKey, publishedKeys } from "@/lib/services/keys";
import type { KeyProvider } from "./provider";

/** What this process knows of the table; a rotation elsewhere shows after this long at most. */
type Snapshot = {
  readAt: Date;
  jwks: { keys: JWK[] };
  verification: ReadonlyMap<string, VerificationKey>;
  signing: SigningKey | undefined;
};
const MAX_AGE_MS = 1000;

/** Signs with the keys of the database, which every instance shares. */
export function databaseKeys(ctx: Pick<Context, "db" | "settings" | "now">): KeyProvider {
  let latest: Snapshot | undefined;
  let reading: Promise<Snapshot> | undefined;

  /** However many ask at once, the table is read once. */
  function read(): Promise<Snapshot> {
    reading ??= readSnapshot(ctx, latest)
      .then((snapshot) => {
        latest = snapshot;
        return snapshot;
      })
      .finally(() => {
        reading = undefined;
      });
    return reading;
  }

  async function current(): Promise<Snapshot> {
    return latest && ctx.now().getTime() - latest.readAt.getTime() < MAX_AGE_MS ? latest : read();
  }

  return {
    async sign(typ, claims) {
      const { signing } = await current();
      if (!signing) throw new Error("No key is active: call ensureKeys before the first token");
      return signCompactJws(signing, typ, typeof claims === "function" ? claims(signing.alg) : claims);
    },

    async jwks() {
      return (await current()).jwks;
    },

    async verificationKeys(kid) {
      const { verification } = await current();
      return verification.has(kid) ? verification : (await read()).verification;
    },
  };
}

/** Reads the table; a key that the last snapshot already holds is not imported again. */
async function readSnapshot(
  ctx: Pick<Context, "db" | "settings" | "now">,
  last?: Snapshot,
): Promise<Snapshot> {
  const readAt = ctx.now();
  const rows = await publishedKeys(ctx);
  const active = rows.find(({ status }) => status === "active");
  const verification = rows.map(({ kid, alg, publicJwk }): [string, VerificationKey] => [
    kid,
    last?.verification.get(kid) ?? { alg, key: createPublicKey({ key: publicJwk, format: "jwk" }) },
  ]);
  return {
    readAt,
    jwks: { keys: rows.map(({ publicJwk }) => publicJwk) },
    verification: new Map(verification),
    signing:
      last?.signing && last.signing.kid === active?.kid
        ? last.signing
        : active && (await importSigningKey(ctx, active)),
  };
}

async function importSigningKey(
  ctx: Pick<Context, "settings">,
  { kid, alg, privateJwe }: { kid: string; alg: SigningKey["alg"]; privateJwe: string },
): Promise<SigningKey> {
  return { kid, alg, key: createPrivateKey({ key: await openPrivateKey(ctx, privateJwe), format: "jwk" }) };
}
