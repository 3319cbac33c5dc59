import type { Context } from "@/lib/context";
import { isOAuthError } from "@/lib/errors";
import {
  type ClientAssertion,
  checkClientAssertion,
  JWT_BEARER_ASSERTION,
  readClientAssertion,
} from "@/lib/oauth/client-assertion";
import { isSignedBy } from "@/lib/oauth/jws";
import { findClientKey, takesTokenEndpointAudience } from "@/lib/services/client-keys";
import type { Client } from "@/lib/services/clients";
import { addressKey } from "@/lib/services/rate-limits";
import type { Call } from "../call";
import type { Authenticator, Proof } from "./authenticator";

/** An assertion that the client signs with a key of its own (RFC 7523 §2.2, draft-ietf-oauth-rfc7523bis-11). */
export const privateKeyJwt: Authenticator = {
  methods: ["private_key_jwt"],
  present: (_, { client_assertion: token, client_assertion_type: type }) => {
    if (token === undefined || type !== JWT_BEARER_ASSERTION) return undefined;
    const assertion = readClientAssertion(token);
    return {
      method: "private_key_jwt",
      clientId: assertion.claims.sub,
      isGuessable: false,
      prove: (ctx, call, client) => prove(ctx, call, assertion, client),
    };
  },
};

async function prove(
  ctx: Context,
  call: Call,
  assertion: ClientAssertion,
  client: Client | undefined,
): Promise<Proof> {
  if (client?.tokenEndpointAuthMethod !== "private_key_jwt")
    return unregistered("not registered for private_key_jwt");
  const { alg, kid, jws, claims } = assertion;
  if (client.assertionAlg !== null && client.assertionAlg !== alg)
    return unregistered("another algorithm than registered");
  const { clientId } = client;
  try {
    checkClientAssertion(assertion, { clientId, audiences: audiencesOf(ctx, client), now: ctx.now() });
  } catch (error) {
    if (!isOAuthError(error) || error.code !== "invalid_client") throw error;
    return { isProven: false, reason: error.options.reason ?? error.description };
  }
  const key = await findClientKey(ctx, client, { kid, alg, caller: addressKey(call.address) });
  if (!key || !isSignedBy(jws, key)) return unregistered("the key or the signature is wrong");
  // Last, so that nobody but the holder of the key can use a jti up.
  const use = { issuer: `client ${clientId}`, jti: claims.jti, expiresAt: new Date(claims.exp * 1000) };
  return (await ctx.consumeOnce(use))
    ? { isProven: true }
    : { isProven: false, reason: "replayed assertion" };
}

const unregistered = (reason: string): Proof => ({ isProven: false, reason, isUnregistered: true });

/** The issuer; for clients recorded to send it, the token endpoint as well (product decision D21). */
function audiencesOf({ settings: { serverUrl } }: Context, client: Client): readonly string[] {
  if (!takesTokenEndpointAudience(client)) return [serverUrl];
  return [serverUrl, `${serverUrl}/token`, `${serverUrl}/oauth/token`];
}
