/** The `typ` of an introspection response as a JWT, which no token of ours has (RFC 9701 §5). */
export const INTROSPECTION_JWT_TYPE = "token-introspection+jwt";
/** What such a response is asked for by, and served as (RFC 9701 §4, §5). */
export const INTROSPECTION_MEDIA_TYPE = "application/token-introspection+jwt";

type Answer = {
  issuer: string;
  audience: string;
  issuedAt: Date;
  response: Readonly<Record<string, unknown>>;
};

/**
 * The payload of an introspection response (RFC 9701 §5). Nothing of the token stands beside `token_introspection`, and
 * there is no `exp`, so that the answer is never taken for the token itself (§8.1).
 */
export const introspectionClaims = ({ issuer, audience, issuedAt, response }: Answer) => ({
  iss: issuer,
  aud: audience,
  iat: Math.floor(issuedAt.getTime() / 1000),
  token_introspection: response,
});

/** Whether an Accept header names a media type, other than to rule it out (RFC 9110 §12.5.1). */
export function accepts(header: string | null, mediaType: string): boolean {
  return (header ?? "").split(",").some((range) => {
    const [type, ...parameters] = range.split(";").map((part) => part.trim().toLowerCase());
    return type === mediaType && !parameters.some((parameter) => /^q=0(\.0*)?$/.test(parameter));
  });
}
