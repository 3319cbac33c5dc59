import { z } from "zod";
import { type ErrorCode, OAuthError } from "@/lib/errors";
import type { Actor } from "./access-token";

type Claims = Readonly<Record<string, unknown>>;

/** More than any depth limit allows. */
const MAX_ACTORS = 32;

const identifier = z.string().min(1).max(1024);
const ForeignActor = z.object({
  sub: identifier,
  iss: identifier.optional(),
  client_id: identifier.optional(),
  act: z.unknown().optional(),
});

/**
 * Everybody who acted already, the newest first, as the issuer of an assertion says (RFC 8693 §4.1). Each is named
 * with the server that knows them: without it `client:…` would mean one of ours.
 */
export function assertedActors({ act }: Claims, issuer: string, code: ErrorCode): readonly Actor[] {
  const actors: Actor[] = [];
  for (let next = act; next !== undefined; ) {
    const parsed = ForeignActor.safeParse(next);
    if (!parsed.success || actors.length === MAX_ACTORS) {
      throw new OAuthError(code, "Get an assertion whose act is as RFC 8693 says: an object with sub.", {
        reason: parsed.success ? "act has too many actors" : "act is malformed",
      });
    }
    const { act: earlier, iss = issuer, ...actor } = parsed.data;
    actors.push({ ...actor, iss });
    next = earlier;
  }
  return actors;
}

/** Actors as they stand in a token, each within the one that acted after it (RFC 8693 §4.1). */
export const nestActors = (actors: readonly Actor[]): Actor | undefined =>
  actors.reduceRight<Actor | undefined>((act, actor) => ({ ...actor, ...(act && { act }) }), undefined);

/** The resources an assertion is for; none where it names none (draft-ietf-oauth-identity-assertion-authz-grant-04 §3.1). */
export function assertedResources({ resource }: Claims, code: ErrorCode): readonly string[] {
  if (resource === undefined) return [];
  const parsed = z.union([z.string().transform((one) => [one]), z.array(z.string())]).safeParse(resource);
  if (parsed.success) return parsed.data;
  throw new OAuthError(code, "Get an assertion whose resource is a URI, or a list of them.", {
    reason: "resource is malformed",
  });
}

const NumericDate = z.int().positive();
/** RFC 8176 §2 has short names; some providers send URIs. */
const Amr = z.array(z.string().regex(/^[\x21\x23-\x5b\x5d-\x7e]{1,100}$/)).max(20);
/** Seconds that another clock may be ahead (FAPI 2.0 §5.3.2.1). */
const CLOCK_OFFSET = 10;

/** When and how the person signed in at the issuer, as far as it says what can be (OIDC Core §2). */
export function assertedSignIn(
  { auth_time, amr }: Claims,
  now: Date,
): { authTime?: Date; amr?: readonly string[] } {
  const time = NumericDate.max(now.getTime() / 1000 + CLOCK_OFFSET).safeParse(auth_time);
  const methods = Amr.safeParse(amr);
  return {
    ...(time.success && { authTime: new Date(time.data * 1000) }),
    ...(methods.success && { amr: methods.data }),
  };
}
