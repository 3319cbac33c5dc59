import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import next from "next";
import { DatabaseInUseError } from "@/db/directory-lock";
import { OAuthError } from "@/lib/errors";
import { refusalResponse, toRefusal } from "@/lib/http/errors";
import { MAX_BODY_BYTES } from "@/lib/http/form";
import { readyEndpoint } from "@/lib/http/health";
import { answer, findRoute } from "@/lib/http/routes";
import { explainDatabaseError } from "@/lib/http/unavailable";
import { runJobs } from "@/lib/jobs";
import { type Running, runningContext } from "@/lib/running-context";
import { SecretKeyMismatchError } from "@/lib/services/installation";
import { SettingsError } from "@/lib/settings";
import { BodyTooLargeError, sendWebResponse, toWebRequest } from "./node-http";
import { welcome } from "./welcome";

/** Seconds between two rounds of housekeeping. */
const JOBS_EVERY = 60;
/** Seconds that requests under way get to finish after a signal to stop. */
const DRAIN = 8;

type PageHandler = (request: IncomingMessage, response: ServerResponse) => Promise<void>;

/** Starts the server: its own endpoints at once, the pages through Next, in one process on one context. */
async function main(): Promise<void> {
  const running = await runningContext();
  const { settings } = running.ctx;
  const pages = await preparePages(settings.port);
  const servers = await listen(settings.host, settings.port, (request, response) => {
    handle(running, pages, request, response).catch((error) => {
      running.ctx.log.error("request failed", { error });
      if (!response.headersSent) response.writeHead(500);
      response.end();
    });
  });
  // What was on its way when this server was stopped.
  running.ctx.defer(running.ctx.courier.deliver);
  const jobs = setInterval(() => void runJobs(running.ctx), JOBS_EVERY * 1000);
  stopOnSignal(running, servers, () => clearInterval(jobs));
  process.stdout.write(await welcome(running));
}

async function preparePages(port: number): Promise<PageHandler> {
  const app = next({ dev: false, dir: process.cwd(), hostname: "localhost", port });
  await app.prepare();
  return app.getRequestHandler();
}

async function handle(
  { ctx }: Running,
  pages: PageHandler,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
) {
  const target = incoming.url ?? "";
  // Only a path is a request to this server (RFC 9112 §3.2.1); absolute addresses are for proxies.
  if (!target.startsWith("/") || target.startsWith("//") || !URL.canParse(ctx.settings.serverUrl + target)) {
    outgoing.writeHead(400).end();
    return;
  }
  const { pathname } = new URL(ctx.settings.serverUrl + target);
  const refused = refusalBeforeReading(incoming, pathname);
  if (refused) {
    await sendWebResponse(refusalResponse(ctx, "page", refused), outgoing);
    return;
  }
  if (!findRoute(pathname)) {
    const away = pathname.startsWith("/_next/") ? undefined : await databaseAwayPage(ctx);
    if (away) await sendWebResponse(away, outgoing);
    else await pages(incoming, outgoing);
    return;
  }
  try {
    const request = await toWebRequest(incoming, ctx.settings.serverUrl);
    const response = await answer(ctx, request, { socketAddress: incoming.socket.remoteAddress ?? "" });
    await sendWebResponse(response ?? new Response(null, { status: 404 }), outgoing);
  } catch (error) {
    if (!(error instanceof BodyTooLargeError)) throw error;
    outgoing.writeHead(413, { connection: "close" }).end();
  }
}

/** Form posts to pages: Next answers these itself, and reads a body before anybody has looked at the request. */
const PAGE_FORMS = /^\/login\/[^/]+$/;

/** What is refused by its head alone, so that a body nobody wants costs nothing. */
function refusalBeforeReading(
  { method = "", headers }: IncomingMessage,
  pathname: string,
): OAuthError | undefined {
  // TRACE and CONNECT are no requests to an application, and web requests cannot even be made of them.
  if (["TRACE", "TRACK", "CONNECT"].includes(method)) return notAllowed("GET, POST");
  if (!isDecodable(pathname))
    return new OAuthError("not_found", "This address is not complete. Go back and try again.");
  if (findRoute(pathname) || method === "GET" || method === "HEAD") return undefined;
  if (method !== "POST" || !PAGE_FORMS.test(pathname)) return notAllowed("GET, HEAD");
  const isSmall = Number(headers["content-length"] ?? Number.NaN) <= MAX_BODY_BYTES;
  if (isSmall) return undefined;
  return new OAuthError("content_too_large", `Send at most ${MAX_BODY_BYTES} bytes, and say how many.`, {
    headers: { connection: "close" },
  });
}

const notAllowed = (allow: string): OAuthError =>
  new OAuthError("method_not_allowed", `Use ${allow.replace(", ", " or ")} here.`, { headers: { allow } });

function isDecodable(pathname: string): boolean {
  try {
    decodeURIComponent(pathname);
    return true;
  } catch {
    return false;
  }
}

/** A page of ours instead of Next's while the database is away: theirs would need it, and a script to say so. */
async function databaseAwayPage(ctx: Running["ctx"]): Promise<Response | undefined> {
  try {
    await readyEndpoint(ctx);
    return undefined;
  } catch (error) {
    return refusalResponse(ctx, "page", toRefusal(ctx, error));
  }
}

/** Listens on the host; on loopback, on both of its families, since `localhost` may mean either. */
async function listen(
  host: string,
  port: number,
  handler: (request: IncomingMessage, response: ServerResponse) => void,
) {
  const hosts = host === "127.0.0.1" || host === "localhost" ? ["127.0.0.1", "::1"] : [host];
  const servers: Server[] = [];
  for (const address of hosts) {
    const server = createServer(
      { requestTimeout: 30_000, headersTimeout: 10_000, keepAliveTimeout: 65_000 },
      handler,
    );
    const listening = await listenOn(server, address, port, servers.length > 0);
    if (listening) servers.push(server);
  }
  return servers;
}

/** False: this machine has no such address, which only the second loopback family may say. */
function listenOn(server: Server, address: string, port: number, optional: boolean): Promise<boolean> {
  return new Promise((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      const absent = error.code === "EADDRNOTAVAIL" || error.code === "EAFNOSUPPORT";
      if (optional && absent) resolve(false);
      else reject(error);
    });
    server.listen(port, address, () => resolve(true));
  });
}

/** Finishes what is under way, then closes the database; a second signal ends at once. */
function stopOnSignal({ ctx, close }: Running, servers: readonly Server[], stopJobs: () => void): void {
  let stopping = false;
  const stop = async () => {
    if (stopping) process.exit(1);
    stopping = true;
    stopJobs();
    // Who waits for a person is answered now, and asks again elsewhere.
    ctx.waiting.stop();
    setTimeout(() => process.exit(1), DRAIN * 1000).unref();
    await Promise.all(servers.map(drain));
    await close();
    process.exit(0);
  };
  process.on("SIGTERM", stop);
  process.on("SIGINT", stop);
}

const drain = (server: Server): Promise<void> =>
  new Promise((resolve) => {
    // What has just been answered keeps its connection for the next request, which is not for us any more.
    const close = setInterval(() => server.closeIdleConnections(), 100);
    server.close(() => {
      clearInterval(close);
      resolve();
    });
    server.closeIdleConnections();
  });

/** A start that cannot work says why in one sentence; only the unexpected shows a stack. */
function explain(error: unknown): string {
  const known = [SettingsError, DatabaseInUseError, SecretKeyMismatchError];
  if (error instanceof Error && known.some((kind) => error instanceof kind)) return error.message;
  if (error instanceof Error && "code" in error && error.code === "EADDRINUSE") {
    const port = "port" in error ? `Port ${error.port}` : "The port";
    return `${port} is taken by another program. Stop it, or set AUTHGENT_PORT to another one.`;
  }
  const database = explainDatabaseError(error);
  if (database) return database;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

main().catch((error: unknown) => {
  process.stderr.write(`${explain(error)}\n`);
  process.exit(1);
});
