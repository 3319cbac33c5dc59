import type { Context } from "@/lib/context";
import { isSignedBy } from "@/lib/oauth/jws";
import { checkJwtSvid, JWT_SPIFFE_ASSERTION, type JwtSvid, readJwtSvid } from "@/lib/oauth/jwt-svid";
import { matchesSpiffePattern } from "@/lib/oauth/spiffe-id";
import { findAttester, findClientOfWorkload } from "@/lib/services/client-attesters";
import type { Client } from "@/lib/services/clients";
import { findForeignKey } from "@/lib/services/foreign-keys";
import { type Authenticator, type Proof, refused } from "./authenticator";

/** A JWT-SVID of a workload that an operator registered (draft-ietf-oauth-spiffe-client-auth-02 §3.1). */
export const spiffeJwt: Authenticator = {
  methods: ["spiffe_jwt"],
  present: (_, { client_assertion: token, client_assertion_type: type, client_id: clientId }) => {
    if (token === undefined || type !== JWT_SPIFFE_ASSERTION) return undefined;
    const svid = readJwtSvid(token);
    const { sub } = svid.claims;
    return {
      method: "spiffe_jwt",
      clientId: clientId ?? sub,
      isGuessable: false,
      ...((clientId ?? sub) === sub && { findClient: (ctx: Context) => clientOf(ctx, svid) }),
      prove: (ctx, _call, client) => prove(ctx, svid, client),
    };
  },
};

/** "Verify that the SPIFFE ID in the sub claim … is associated with a recognized client identifier" (§3.1). */
async function clientOf(ctx: Context, svid: JwtSvid): Promise<Client | undefined> {
  await verify(ctx, svid);
  return findClientOfWorkload(ctx, svid.claims.sub);
}

async function prove(ctx: Context, svid: JwtSvid, client: Client | undefined): Promise<Proof> {
  // First, so that who brings no good one learns nothing of who is registered.
  await verify(ctx, svid);
  const { sub, jti, exp } = svid.claims;
  const pattern = client?.tokenEndpointAuthMethod === "spiffe_jwt" ? client.spiffeId : null;
  if (pattern === null || !matchesSpiffePattern(pattern, sub))
    return { isProven: false, reason: "not registered for this SPIFFE ID", isUnregistered: true };
  // Agents of a trust domain hand the same one out again until it ends, unless they give each an id of its own.
  if (jti === undefined) return { isProven: true };
  const use = { issuer: svid.trustDomain, jti, expiresAt: new Date(exp * 1000) };
  return (await ctx.consumeOnce(use)) ? { isProven: true } : { isProven: false, reason: "replayed JWT-SVID" };
}

async function verify(ctx: Context, svid: JwtSvid): Promise<void> {
  const { alg, kid, jws, trustDomain } = svid;
  checkJwtSvid(svid, { issuer: ctx.settings.serverUrl, now: ctx.now() });
  const attester = await findAttester(ctx, trustDomain);
  const key = attester && (await findForeignKey(ctx, attester, { kid, alg }));
  if (!key || !isSignedBy(jws, key)) throw refused("no trust domain that vouches for clients signed it");
}
