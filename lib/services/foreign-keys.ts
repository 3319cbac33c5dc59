import { z } from "zod";
import type { Context } from "@/lib/context";
import type { JwsKey } from "@/lib/oauth/jws";
import { OutboundError } from "@/lib/outbound/public-fetch";
import { fetchTrustedJson, isTrustedAddress } from "@/lib/outbound/trusted-fetch";
import { findKey, type KeySource, type Wanted } from "./key-sets";
import type { TrustedIssuer } from "./trusted-issuers";

/** For metadata and keys together. */
const TIMEOUT_MS = 5000;
const MIN_TIMEOUT_MS = 100;

/** The key of a trusted issuer that a token was signed with, as far as the token says. */
export const findForeignKey = (
  ctx: Context,
  issuer: TrustedIssuer,
  wanted: Wanted,
): Promise<JwsKey | undefined> => findKey(ctx, sourceOf(issuer), wanted);

const sourceOf = ({ issuer, jwksUri }: TrustedIssuer): KeySource => ({
  kind: "issuer",
  name: `${issuer} ${jwksUri ?? ""}`,
  async read() {
    const fetchJson = fetchWithin(TIMEOUT_MS);
    return fetchJson(jwksUri === null ? await discoverKeys(issuer, fetchJson) : new URL(jwksUri));
  },
});

type FetchJson = (url: URL) => Promise<unknown>;

/** Fetches one document after the other, all within the same time: nothing is asked that could not answer any more. */
function fetchWithin(totalMs: number): FetchJson {
  const end = performance.now() + totalMs;
  return async (url) => {
    const timeoutMs = Math.floor(end - performance.now());
    if (timeoutMs < MIN_TIMEOUT_MS) throw new OutboundError("timeout", `${url.host} is not asked any more`);
    return fetchTrustedJson(url, { timeoutMs });
  };
}

const Metadata = z.object({ issuer: z.string(), jwks_uri: z.url() });

/** Where an issuer's own metadata says its keys are (OIDC Discovery §4, RFC 8414 §3). */
async function discoverKeys(issuer: string, fetchJson: FetchJson): Promise<URL> {
  const base = issuer.replace(/\/$/, "");
  const { origin, pathname } = new URL(base);
  const inserted = `${origin}/.well-known/oauth-authorization-server${pathname === "/" ? "" : pathname}`;
  try {
    return await readMetadata(issuer, `${base}/.well-known/openid-configuration`, fetchJson);
  } catch (error) {
    if (!(error instanceof OutboundError)) throw error;
    return readMetadata(issuer, inserted, fetchJson);
  }
}

async function readMetadata(issuer: string, address: string, fetchJson: FetchJson): Promise<URL> {
  const refuse = (why: string) => new OutboundError("unreachable", `${address} ${why}`);

  const metadata = Metadata.safeParse(await fetchJson(new URL(address)));
  if (!metadata.success) throw refuse("is no metadata with issuer and jwks_uri");
  // "If these values are not identical, the data contained in the response MUST NOT be used" (RFC 8414 §3.3)
  if (metadata.data.issuer !== issuer) throw refuse("is the metadata of another issuer");
  const keys = new URL(metadata.data.jwks_uri);
  const isOnNetwork = issuer.startsWith("https:");
  if (!isTrustedAddress(keys) || (isOnNetwork && keys.protocol !== "https:"))
    throw refuse("has a jwks_uri without TLS");
  return keys;
}
