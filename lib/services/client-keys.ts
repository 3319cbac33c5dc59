import type { Context } from "@/lib/context";
import type { JwsKey } from "@/lib/oauth/jws";
import { OutboundError } from "@/lib/outbound/public-fetch";
import type { Client } from "./clients";
import { findKey, importKeys, type KeySource, pick, type Wanted } from "./key-sets";

/** Of a JWK Set; ChatGPT's has a few keys in 3 KB. */
const MAX_BYTES = 64 * 1024;

/** The registered key of a client that an assertion was signed with, as far as the assertion says (RFC 7591 §2). */
export async function findClientKey(
  ctx: Context,
  { jwks, jwksUri }: Client,
  wanted: Wanted,
): Promise<JwsKey | undefined> {
  if (jwks !== null) return pick(importKeys(jwks), wanted);
  return jwksUri === null ? undefined : findKey(ctx, sourceOf(jwksUri), wanted);
}

/** An address that the client chose: fetched as such, and never more than the host can bear. */
const sourceOf = (jwksUri: string): KeySource => ({
  kind: "client",
  name: jwksUri,
  async read(ctx) {
    const url = new URL(jwksUri);
    const allowance = await ctx.limits.take("documentHost", url.host);
    if (!allowance.allowed) throw new OutboundError("timeout", `${url.host} is not asked any more for now`);
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
