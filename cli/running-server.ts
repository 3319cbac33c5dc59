import { z } from "zod";
import { DatabaseInUseError } from "@/db/directory-lock";
import type { Context } from "@/lib/context";
import { isOAuthError } from "@/lib/errors";
import { runningContext } from "@/lib/running-context";
import { loadSettings } from "@/lib/settings";
import { CommandError } from "./command";

type Order<T> = {
  /** Carries it out in the database. */
  inDatabase(ctx: Context): Promise<T>;
  /** The same order to a server. */
  path: string;
  body: unknown;
  /** What the server answers. */
  read(answer: unknown): T;
};

/** Carries an order out in the database, or through the server that has the embedded one open: it takes it by HTTP. */
export async function carryOut<T>(order: Order<T>): Promise<T> {
  try {
    return await inDatabase(order);
  } catch (error) {
    if (!(error instanceof DatabaseInUseError)) throw error;
    return throughServer(order, error);
  }
}

async function inDatabase<T>(order: Order<T>): Promise<T> {
  const { ctx, close } = await runningContext();
  try {
    return await order.inDatabase(ctx);
  } catch (error) {
    throw isOAuthError(error) ? new CommandError(error.description) : error;
  } finally {
    await close();
  }
}

async function throughServer<T>({ path, body, read }: Order<T>, inUse: DatabaseInUseError): Promise<T> {
  const { serverUrl, adminApiKey } = loadSettings().settings;
  if (adminApiKey === undefined) {
    throw new CommandError(
      `${inUse.message}\nOr give both the same AUTHGENT_ADMIN_API_KEY: then this command asks the running server.`,
    );
  }
  const response = await fetch(`${serverUrl}${path}`, {
    method: "POST",
    headers: { "content-type": "application/json", "x-admin-key": adminApiKey },
    body: JSON.stringify(body),
  }).catch(() => {
    throw new CommandError(
      `${inUse.message}\nNo server answers at ${serverUrl}: set AUTHGENT_PORT or AUTHGENT_SERVER_URL as for the running one.`,
    );
  });
  const answer: unknown = await response.json();
  if (response.ok) return read(answer);
  throw new CommandError(z.object({ detail: z.string() }).parse(answer).detail);
}
