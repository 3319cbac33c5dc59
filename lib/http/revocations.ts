import type { Context } from "@/lib/context";
import { readRevocationFeed } from "@/lib/services/revocation-feed";
import type { Call } from "./call";

/** `GET /.well-known/revocations`: the signed list of tokens to refuse, for who verifies without asking (D25). */
export async function revocationsEndpoint(ctx: Context, { request }: Call): Promise<Response> {
  const { jws, etag } = await readRevocationFeed(ctx);
  const headers = { etag, "cache-control": "public, max-age=5" };
  if (hasTag(request.headers.get("if-none-match"), etag)) return new Response(null, { status: 304, headers });
  return new Response(jws, { headers: { ...headers, "content-type": "application/jwt" } });
}

/** Whether the caller has this state already: "the weak comparison function" decides (RFC 9110 §13.1.2). */
const hasTag = (ifNoneMatch: string | null, etag: string): boolean =>
  (ifNoneMatch ?? "").split(",").some((tag) => tag.trim().replace(/^W\//, "") === etag);
