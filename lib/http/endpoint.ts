import { randomUUID } from "node:crypto";
import type { Context } from "@/lib/context";
import { OAuthError } from "@/lib/errors";
import { withRequestId } from "@/lib/log";
import { addressKey, type BucketName } from "@/lib/services/rate-limits";
import { ATTESTATION_HEADER, CHALLENGE_HEADER, currentChallenge } from "./attestation-challenge";
import type { Call, Method, Peer, Route } from "./call";
import { corsHeaders, preflight } from "./cors";
import { isDenial, recordDenial } from "./denials";
import { currentDpopNonce } from "./dpop";
import { refusalResponse, toRefusal } from "./errors";
import { callerAddress, isLocalRequest } from "./peer";

/** Answers a request to one route: limits, handler, refusals, headers and one log line. */
export async function answerRoute(
  ctx: Context,
  route: Route,
  { request, params, peer }: { request: Request; params: Record<string, string>; peer: Peer },
): Promise<Response> {
  const given = request.headers.get("x-request-id");
  const requestId = given && /^[\w-]{1,64}$/.test(given) ? given : randomUUID();
  const address = callerAddress(request.headers, peer.socketAddress, ctx.settings.trustProxy);
  const call: Call = {
    request,
    url: new URL(request.url),
    params,
    peer,
    address,
    isLocal: isLocalRequest(ctx.settings, request.headers, peer.socketAddress),
  };
  return withRequestId(requestId, async () => {
    const startedAt = performance.now();
    const { response, refusal } = await attempt(ctx, route, call);
    finish(ctx, route, call, response, requestId);
    // What failed here is for the operator to see, also where the log is kept short.
    ctx.log[response.status >= 500 ? "warn" : "info"]("request", {
      method: request.method,
      route: route.path,
      status: response.status,
      ms: Math.round((performance.now() - startedAt) * 10) / 10,
      address,
      ...(refusal
        ? { error: refusal.code, description: refusal.description, reason: refusal.options.reason }
        : {}),
    });
    return response;
  });
}

type Attempt = { response: Response; refusal?: OAuthError };

async function attempt(ctx: Context, route: Route, call: Call): Promise<Attempt> {
  const { request } = call;
  if (request.method === "OPTIONS" && route.cors) return { response: preflight(route) };
  const handler = handlerFor(route, request.method);
  if (!handler) return { response: methodNotAllowed(ctx, route) };
  try {
    if (route.bucket !== "none") await takeFromBucket(ctx, route.bucket, addressKey(call.address));
    const response = await handler(asServed(ctx, call), call);
    return { response: request.method === "HEAD" ? withoutBody(response) : response };
  } catch (error) {
    const refusal = toRefusal(ctx, error);
    if (isDenial(route, refusal)) {
      const data = { route: route.path, method: request.method };
      await recordDenial(ctx, call, { type: "request.denied", refusal, data });
    }
    return { response: refusalResponse(ctx, route.errors, refusal), refusal };
  }
}

function handlerFor(route: Route, method: string) {
  if (method === "HEAD") return route.head ? route.methods.GET : undefined;
  // A method is whatever the caller wrote: "constructor" names no handler of ours.
  return Object.hasOwn(route.methods, method) ? route.methods[method as Method] : undefined;
}

/** What a request that is not of this machine gets is never that of local mode, however deep that is asked (D1). */
const asServed = (ctx: Context, { isLocal }: Call): Context =>
  isLocal || !ctx.settings.localMode ? ctx : { ...ctx, settings: { ...ctx.settings, localMode: false } };

/** Counts one attempt of `key`, or refuses it with the seconds to wait. */
export async function takeFromBucket(ctx: Context, bucket: BucketName, key: string): Promise<void> {
  const allowance = await ctx.limits.take(bucket, key);
  if (!allowance.allowed) throw tooManyRequests(allowance.retryAfter);
}

/** The refusal of a limit, with the seconds to wait (RFC 6585 §4). */
export const tooManyRequests = (retryAfter: number): OAuthError =>
  new OAuthError("too_many_requests", `Too many requests. Try again in ${retryAfter} seconds.`, {
    headers: { "retry-after": String(retryAfter) },
  });

function methodNotAllowed(ctx: Context, route: Route): Response {
  const allow = Object.keys(route.methods);
  if (route.head) allow.push("HEAD");
  if (route.cors) allow.push("OPTIONS");
  const refusal = new OAuthError("method_not_allowed", `Use ${allow.join(" or ")} here.`, {
    headers: { allow: allow.join(", ") },
  });
  return refusalResponse(ctx, route.errors, refusal);
}

const withoutBody = (response: Response): Response =>
  new Response(null, { status: response.status, headers: response.headers });

function finish(ctx: Context, route: Route, { request }: Call, response: Response, requestId: string): void {
  const { headers } = response;
  headers.set("x-request-id", requestId);
  headers.set("x-content-type-options", "nosniff");
  if (!headers.has("cache-control")) headers.set("cache-control", "no-store");
  // Also on success, so that a client always has a recent one (RFC 9449 §8.2).
  if (request.headers.has("dpop") && !headers.has("dpop-nonce"))
    headers.set("dpop-nonce", currentDpopNonce(ctx));
  // draft-ietf-oauth-attestation-based-client-auth-11 §6.2
  if (request.headers.has(ATTESTATION_HEADER) && !headers.has(CHALLENGE_HEADER))
    headers.set(CHALLENGE_HEADER, currentChallenge(ctx));
  if (route.cors) for (const [name, value] of corsHeaders(ctx.settings, request)) headers.append(name, value);
  if (ctx.settings.serverUrl.startsWith("https:")) {
    headers.set("strict-transport-security", "max-age=63072000; includeSubDomains");
  }
}
