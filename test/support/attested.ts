import { randomUUID } from "node:crypto";
import { like } from "drizzle-orm";
import { trustedIssuers } from "@/db/schema/trusted-issuers";
import type { App } from "./client";
import { newForeignKey, type SigningKey, signAs } from "./foreign-issuer";
import type { PublicServer } from "./public-server";
import type { Partner } from "./trusted-assertions";

type Json = Record<string, unknown>;

/** Trusts no trust domain any more: what metadata say depends on them, and files of one worker share a database. */
export const forgetTrustDomains = ({ t: { ctx } }: PublicServer) =>
  ctx.db.delete(trustedIssuers).where(like(trustedIssuers.issuer, "spiffe://%"));

/** One deployed instance of a client: what it holds is its key, and nothing that the others have. */
export type Instance = SigningKey;

/** Public members only, as `cnf` and DPoP proofs carry them. */
export const publicKeyOf = ({ publicJwk: { kty, crv, x, y, n, e } }: Instance): Json =>
  JSON.parse(JSON.stringify({ kty, crv, x, y, n, e }));

/** What the instances of clients do at a server, and the attester that vouches for them. */
export function attestedBy(s: PublicServer, attester: Pick<Partner, "sign">) {
  const now = () => Math.floor(s.t.ctx.now().getTime() / 1000);

  const newInstance = (alg = "ES256"): Promise<Instance> => newForeignKey("instance", alg);

  /** A client attestation for an hour, with these claims over the usual ones; undefined leaves one out. */
  const attestation = (app: App, instance: Instance, more: Json = {}, header: Json = {}): Promise<string> =>
    attester.sign(
      {
        ...{ sub: app.clientId, iat: now(), exp: now() + 3600, cnf: { jwk: publicKeyOf(instance) } },
        ...more,
      },
      { typ: "oauth-client-attestation+jwt", ...header },
    );

  /** The proof of possession of an instance, for this server and one request. */
  const possession = (instance: Instance, more: Json = {}, header: Json = {}): Promise<string> =>
    signAs(
      instance,
      { aud: s.t.ctx.settings.serverUrl, jti: randomUUID(), iat: now(), ...more },
      { typ: "oauth-client-attestation-pop+jwt", kid: undefined, ...header },
    );

  /** A DPoP proof of an instance, for a POST to this path. */
  const dpop = (instance: Instance, path: string, more: Json = {}): Promise<string> =>
    signAs(
      instance,
      { htm: "POST", htu: `${s.t.ctx.settings.serverUrl}${path}`, iat: now(), jti: randomUUID(), ...more },
      { typ: "dpop+jwt", jwk: publicKeyOf(instance), kid: undefined },
    );

  /** The headers that authenticate an instance of an app. */
  const headersOf = async (app: App, instance: Instance, proof: Json = {}) => ({
    "oauth-client-attestation": await attestation(app, instance),
    "oauth-client-attestation-pop": await possession(instance, proof),
  });

  /** The same in the combined mode. */
  const combinedOf = async (app: App, instance: Instance, path = "/token", proof: Json = {}) => ({
    "oauth-client-attestation": await attestation(app, instance),
    dpop: await dpop(instance, path, proof),
  });

  return { newInstance, attestation, possession, dpop, headersOf, combinedOf };
}

export type Attested = ReturnType<typeof attestedBy>;
