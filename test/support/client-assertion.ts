import { JWT_BEARER_ASSERTION } from "@/lib/oauth/client-assertion";
import { type TestContext, unique } from "./context";
import { newForeignKey, signAs } from "./foreign-issuer";

type Json = Record<string, unknown>;
export type ClientKey = Awaited<ReturnType<typeof newForeignKey>>;

/** A key that a client signs with. */
export const newClientKey = (kid = unique("key-"), alg = "ES256"): Promise<ClientKey> =>
  newForeignKey(kid, alg);

/** An assertion that a server takes once within a minute, with these claims over the usual ones; undefined leaves one out. */
export function assertionOf(
  { ctx }: TestContext,
  clientId: string,
  key: ClientKey,
  claims: Json = {},
  header: Json = {},
): Promise<string> {
  const iat = Math.floor(ctx.now().getTime() / 1000);
  const aud = ctx.settings.serverUrl;
  const own = { iss: clientId, sub: clientId, aud, jti: unique("jti-"), iat, exp: iat + 60 };
  return signAs(key, { ...own, ...claims }, { typ: "client-authentication+jwt", ...header });
}

/** The fields that present an assertion (RFC 7523 §2.2). */
export const presenting = (assertion: string) => ({
  client_assertion_type: JWT_BEARER_ASSERTION,
  client_assertion: assertion,
});
