import type { Context } from "@/lib/context";
import type { JwsKey } from "@/lib/oauth/jws";
import { OutboundError } from "@/lib/outbound/public-fetch";
import type { Client } from "./clients";
import { findKey, importKeys, type KeySource, pick, type Wanted } from "./key-sets";
import type { BucketName } from "./rate-limits";

/** Of a JWK Set; ChatGPT's has a few keys in 3 KB. */
const MAX_BYTES = 64 * 1024;

/** The registered key of a client that an assertion was signed with, as far as the assertion says (RFC 7591 §2). */
export async function findClientKey(
  ctx: Context,
  { jwks, jwksUri }: Client,
  { caller, ...wanted }: Wanted & { caller: string },
): Promise<JwsKey | undefined> {
  if (jwksUri !== null) return findKey(ctx, sourceOf(jwksUri, caller), wanted);
  // Only those that it can be: whoever registered twenty does not make every request pay for them.
  const { kid, alg } = wanted;
  const named = (jwks?.keys ?? []).filter((key) => kid === undefined || key.kid === kid);
  return pick(importKeys({ keys: named }, [alg]), wanted);
}

/** An address that the client chose: fetched as such, and no oftener than the host and the caller give cause for. */
const sourceOf = (jwksUri: string, caller: string): KeySource => ({
  kind: "client",
  name: jwksUri,
  async mayRead(ctx, isKnown) {
    // An address that never answered may be anything: many of one host are counted there, as documents are. What
    // served before is spared that, so that nobody's made-up addresses keep a host's own clients from their keys.
    const budgets: [BucketName, string][] = [["documentCaller", caller]];
    if (!isKnown) budgets.push(["documentHost", new URL(jwksUri).host]);
    for (const [bucket, key] of budgets) if (!(await ctx.limits.take(bucket, key)).allowed) return false;
    return true;
  },
  async read(ctx) {
    const url = new URL(jwksUri);
    const { status, headers, body } = await ctx.fetchPublic(url, {
      accept: "application/json, application/jwk-set+json",
      allowLoopback: ctx.settings.localMode,
      maxBytes: MAX_BYTES,
    });
    if (status !== 200) throw new OutboundError("unreachable", `${url.host} answered ${status}`);
    const type = headers.get("content-type")?.split(";")[0]?.trim().toLowerCase() ?? "";
    if (!/^application\/(?:[\w.-]+\+)?json$/.test(type))
      throw new OutboundError("unreachable", `${url.host} sent ${type || "no type"} instead of JSON`);
    return parseJson(url, body);
  },
});

function parseJson(url: URL, body: string): unknown {
  try {
    return JSON.parse(body);
  } catch (cause) {
    throw new OutboundError("unreachable", `${url.host} sent no JSON`, cause);
  }
}

/**
 * Software recorded to send the token endpoint as `aud` of its assertions, by the host of its metadata document
 * (product decision D21): ChatGPT as of August 2026, Artexis10/exomem#380. Others say the issuer, as
 * draft-ietf-oauth-rfc7523bis-11 requires.
 */
const SENDS_TOKEN_ENDPOINT: readonly string[] = ["chatgpt.com"];

/** Whether a client's assertions may name the token endpoint as `aud`: its software is known to, or an operator said so. */
export const takesTokenEndpointAudience = ({ kind, clientId, legacyAssertionAudience }: Client): boolean =>
  legacyAssertionAudience ||
  (kind === "document" && SENDS_TOKEN_ENDPOINT.includes(new URL(clientId).hostname));
