import { z } from "zod";
import { isStorable } from "./storable";

/** Seconds since the epoch, up to the year 9999: a database has no use for later ones (RFC 7519 §2). */
export const numericDate = z.number().min(0).max(253_402_300_799);

/** Who made a JWT, or whom it is about, by a name that can be looked up (RFC 7519 §4.1.1, §4.1.2). */
export const nameClaim = z
  .string()
  .min(1)
  .max(2048)
  .refine((name) => isStorable(name, 0));

/** Whom a JWT is for: one name, or a list of them (RFC 7519 §4.1.3). */
export const audienceClaim = z.union([z.string(), z.array(z.string())]);

/** "shall accept JWTs with an iat or nbf timestamp between 0 and 10 seconds in the future" (FAPI 2.0 §5.3.2.1). */
export const CLOCK_OFFSET = 10;

/**
 * "The authorization server MUST reject any JWT that does not contain its issuer identifier as its sole audience value"
 * (draft-ietf-oauth-rfc7523bis-11 §4): whoever else it is for could send it here.
 */
export function isSoleAudience(aud: z.infer<typeof audienceClaim>, accepted: readonly string[]): boolean {
  const [audience, ...others] = [aud].flat();
  return audience !== undefined && others.length === 0 && accepted.includes(audience);
}
