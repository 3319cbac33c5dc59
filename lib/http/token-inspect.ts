import { z } from "zod";
import type { Context } from "@/lib/context";
import { isOAuthError, OAuthError } from "@/lib/errors";
import { parseJson, parseJws } from "@/lib/oauth/jws";
import { readAccessToken, verifyAccessToken } from "@/lib/services/token-state";
import type { Call } from "./call";
import { authenticateCaller, maySee, seesAll } from "./introspect";
import { json, readJsonAs } from "./json";

export const TokenToInspect = z.strictObject({ token: z.string().min(1).max(16_384) });

/** `POST /tokens/inspect`: what a JWT says, whether it counts here, and if not, why. */
export async function inspectEndpoint(ctx: Context, call: Call): Promise<Response> {
  const caller = await authenticateCaller(ctx, call, {});
  const { token } = await readJsonAs(call.request, TokenToInspect);
  return json(await inspection(ctx, call, { caller, token }));
}

/** `GET /tokens/inspect?token=…` for clients of an earlier system; requests are logged without their query. */
export async function inspectQueryEndpoint(ctx: Context, call: Call): Promise<Response> {
  const caller = await authenticateCaller(ctx, call, {});
  const token = call.url.searchParams.get("token");
  if (!token) throw new OAuthError("validation_failed", "token: must be the JWT to look at");
  return json(await inspection(ctx, call, { caller, token }));
}

type Inspected = { caller: Awaited<ReturnType<typeof authenticateCaller>>; token: string };

async function inspection(ctx: Context, call: Call, { caller, token }: Inspected) {
  const claims = readUnverified(token);
  if (!claims) {
    return {
      valid: false,
      claims: null,
      delegation_chain: null,
      error: "This is no JWT in the compact serialization.",
    };
  }
  const error = await whyNot(ctx, call, { caller, token });
  return { valid: error === null, claims, ...shape(claims), ...times(ctx, claims), error };
}

/** Null when the token counts. Who may not see it is told the same of every token, so that it says nothing of this one. */
async function whyNot(ctx: Context, call: Call, { caller, token }: Inspected): Promise<string | null> {
  let isShown = seesAll(call, caller);
  try {
    const claims = await readAccessToken(ctx, token);
    isShown = await maySee(ctx, call, caller, claims);
    if (!isShown) return NOT_SHOWN;
    await verifyAccessToken(ctx, token);
    return null;
  } catch (error) {
    if (!isOAuthError(error) || error.code !== "invalid_token") throw error;
    return isShown ? (error.options.reason ?? error.description) : NOT_SHOWN;
  }
}

const NOT_SHOWN = "Only the client and the resource of a token of this server may ask whether it counts.";

type Json = Readonly<Record<string, unknown>>;
const isJson = (value: unknown): value is Json =>
  typeof value === "object" && value !== null && !Array.isArray(value);

function readUnverified(token: string): Json | undefined {
  try {
    const payload = parseJson(parseJws(token).payload);
    return isJson(payload) ? payload : undefined;
  } catch (error) {
    if (!isOAuthError(error)) throw error;
    return undefined;
  }
}

function shape({ act, sub, cnf }: Json) {
  const actors = actorsIn(act);
  const jkt = isJson(cnf) && typeof cnf.jkt === "string" ? cnf.jkt : null;
  const human_root = String(sub).startsWith("user:");
  return {
    delegation_chain: actors.length > 0 ? { depth: actors.length, actors, human_root } : null,
    dpop_bound: jkt !== null,
    dpop_jkt: jkt,
  };
}

/** No chain of ours is as long; one that somebody made up may be. */
const MAX_SHOWN = 64;

function actorsIn(act: unknown): readonly string[] {
  const actors: string[] = [];
  for (let actor = act; isJson(actor) && actors.length < MAX_SHOWN; actor = actor.act) {
    actors.push(typeof actor.sub === "string" ? actor.sub : "unknown");
  }
  return actors;
}

function times(ctx: Context, { exp, iat }: Json) {
  const left = typeof exp === "number" ? Math.floor(exp - ctx.now().getTime() / 1000) : null;
  return {
    expired: left === null ? null : left <= 0,
    expires_at: instant(exp),
    issued_at: instant(iat),
    time_remaining_seconds: left === null || left <= 0 ? null : left,
  };
}

/** The last moment that a date can say is 8.64e15 ms after 1970. */
const instant = (seconds: unknown): string | null =>
  typeof seconds === "number" && Math.abs(seconds) < 8.64e12 ? new Date(seconds * 1000).toISOString() : null;
