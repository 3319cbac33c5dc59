import type { Route } from "@/lib/http/call";
import { answerRoute } from "@/lib/http/endpoint";
import { answer } from "@/lib/http/routes";
import { runningContext } from "@/lib/running-context";
import { connectionOf } from "./connection";

type Handler = (request: Request, segments: { params: Promise<Params | undefined> }) => Promise<Response>;
type Params = Record<string, string | string[] | undefined>;
type Handlers = Record<"DELETE" | "GET" | "HEAD" | "OPTIONS" | "PATCH" | "POST" | "PUT", Handler>;

/** A body beyond this is not read; handlers refuse smaller ones with a sentence. */
const MAX_BYTES = 1024 * 1024;

/**
 * The handlers of a route file: every method goes to our own router, which also answers for those a route lacks.
 * With a route it is that one, for the few that need Next's packages; else the list of lib/http/routes.ts decides.
 */
export function mount(route?: Route): Handlers {
  const handle: Handler = async (received, { params }) => {
    const { ctx } = await runningContext();
    const { peer, headers } = connectionOf(received.headers);
    const body = await readBody(received);
    if (body === "too-large") return new Response(null, { status: 413 });
    const { method } = received;
    const { pathname, search } = new URL(received.url);
    // Next makes up the origin from headers; ours is the configured one (product decision D3).
    const url = new URL(ctx.settings.serverUrl).origin + pathname + search;
    const request = new Request(url, { method, headers, ...(body ? { body } : {}) });
    const response = route
      ? await answerRoute(ctx, route, { request, params: single(await params), peer })
      : await answer(ctx, request, peer);
    return response ?? new Response(null, { status: 404 });
  };
  return {
    DELETE: handle,
    GET: handle,
    HEAD: handle,
    OPTIONS: handle,
    PATCH: handle,
    POST: handle,
    PUT: handle,
  };
}

async function readBody({ body }: Request): Promise<Uint8Array<ArrayBuffer> | "too-large" | undefined> {
  if (!body) return undefined;
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.length;
    if (size > MAX_BYTES) return "too-large";
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

const single = (params: Params = {}): Record<string, string> =>
  Object.fromEntries(
    Object.entries(params).flatMap(([name, value]) => (typeof value === "string" ? [[name, value]] : [])),
  );
