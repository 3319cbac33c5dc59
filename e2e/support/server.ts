import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

const READY_SECONDS = 60;
const STOP_SECONDS = 5;

/** One key for all servers of the tests, so that several can share a database. */
const SECRET_KEY = "only-for-tests-0123456789abcdefghijklmnopqrstuv";

export type StartOptions = {
  /** Without it: a new embedded database in a temporary folder. */
  databaseUrl?: string;
  /** Without it: a free one. */
  port?: number;
  /** Settings of this server; nothing of the caller's own `AUTHGENT_*` reaches it. */
  env?: Readonly<Record<string, string>>;
};

export type RunningServer = {
  /** The issuer: `http://localhost:PORT`. */
  url: string;
  /** Everything the server has printed so far. */
  output(): string;
  /** Ends the server and removes its folder. */
  stop(): Promise<void>;
  /** Kills it as a crash would, without a word. */
  kill(): Promise<void>;
};

/** Starts the production build as `npm start` does, and resolves once it is ready for requests. */
export async function startServer(options: StartOptions = {}): Promise<RunningServer> {
  const folder = await mkdtemp(join(tmpdir(), "authgent-e2e-"));
  const port = options.port ?? (await freePort());
  const url = `http://localhost:${port}`;
  const child = spawn(process.execPath, ["dist/server.mjs"], {
    stdio: ["ignore", "pipe", "pipe"],
    env: {
      ...surroundings(),
      NODE_ENV: "production",
      AUTHGENT_PORT: `${port}`,
      AUTHGENT_DATABASE_URL: options.databaseUrl ?? `pglite://${join(folder, "db")}`,
      AUTHGENT_SECRET_KEY: SECRET_KEY,
      ...options.env,
    },
  });
  const output = collectOutput(child);
  const killNow = () => child.kill("SIGKILL");
  process.once("exit", killNow);

  const stop = async () => {
    await end(child);
    process.off("exit", killNow);
    await rm(folder, { recursive: true, force: true });
  };
  const kill = async () => {
    const ended = once(child, "exit");
    child.kill("SIGKILL");
    await ended;
    process.off("exit", killNow);
  };
  try {
    await untilReady(child, url);
  } catch (error) {
    await stop();
    throw new Error(`The server did not become ready.\n${output()}`, { cause: error });
  }
  return { url, output, stop, kill };
}

function surroundings() {
  const { PATH, HOME, TMPDIR } = process.env;
  return { PATH, HOME, TMPDIR };
}

function collectOutput(child: ChildProcess): () => string {
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding("utf8").on("data", (chunk: string) => {
      output += chunk;
    });
  }
  return () => output;
}

async function untilReady(child: ChildProcess, url: string): Promise<void> {
  const deadline = AbortSignal.timeout(READY_SECONDS * 1000);
  while (!(await isReady(url))) {
    deadline.throwIfAborted();
    if (hasEnded(child)) throw new Error(`It ended with code ${child.exitCode}.`);
    await sleep(100);
  }
}

async function isReady(url: string): Promise<boolean> {
  try {
    const response = await fetch(`${url}/ready`, { signal: AbortSignal.timeout(2000) });
    return response.ok;
  } catch {
    // Not listening yet.
    return false;
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (hasEnded(child)) return;
  const ended = once(child, "exit");
  child.kill("SIGTERM");
  const timer = setTimeout(() => child.kill("SIGKILL"), STOP_SECONDS * 1000);
  await ended;
  clearTimeout(timer);
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

export async function freePort(): Promise<number> {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const address = probe.address();
  probe.close();
  await once(probe, "close");
  if (address === null || typeof address === "string") throw new Error("The system gave no port.");
  return address.port;
}
