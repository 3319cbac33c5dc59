import { AsyncLocalStorage } from "node:async_hooks";

export type LogLevel = "debug" | "info" | "warn" | "error" | "silent";
type Fields = Record<string, unknown>;

/** One JSON line per call; credentials are left out by name and by shape. */
export type Log = {
  debug(event: string, fields?: Fields): void;
  info(event: string, fields?: Fields): void;
  warn(event: string, fields?: Fields): void;
  error(event: string, fields?: Fields): void;
};

const LEVELS: readonly LogLevel[] = ["debug", "info", "warn", "error", "silent"];

/** Both mounts live in one process but in two bundles, and both write lines of one request. */
const shared: typeof globalThis & { authgentRequests?: AsyncLocalStorage<{ requestId: string }> } =
  globalThis;
shared.authgentRequests ??= new AsyncLocalStorage();
const requests = shared.authgentRequests;

/** Runs work with a request id that every log line and event within it carries. */
export const withRequestId = <T>(requestId: string, work: () => T): T => requests.run({ requestId }, work);

export const currentRequestId = (): string | undefined => requests.getStore()?.requestId;

/** Writes JSON lines of at least `level` through `write`. */
export function createLog(level: LogLevel, now: () => Date, write: (line: string) => void): Log {
  const threshold = LEVELS.indexOf(level);
  const at =
    (name: Exclude<LogLevel, "silent">) =>
    (event: string, fields: Fields = {}) => {
      if (LEVELS.indexOf(name) < threshold) return;
      const requestId = currentRequestId();
      const line = {
        at: now().toISOString(),
        level: name,
        event,
        ...(requestId ? { requestId } : {}),
        ...redact(fields),
      };
      write(`${JSON.stringify(line)}\n`);
    };
  return { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
}

const SECRET_NAME =
  /secret|password|token$|^code$|verifier|assertion|authorization|cookie|jwe|databaseurl|api_?key/i;
/** JWTs, JWEs and what is left of them, our own prefixed secrets, and credentials inside URLs and their queries. */
const SECRET_SHAPE = new RegExp(
  [
    String.raw`eyJ[\w-]{8,}(?:\.[\w-]*){0,4}`,
    String.raw`\b(?:sec|reg|rt|ac|ses|lnk|brw)_[\w-]{20,}`,
    String.raw`(?<=:\/\/[^/\s:@]*:)[^@\s]{1,2048}(?=@)`,
    String.raw`(?<=[?&#](?:\w{0,20}(?:token|secret|password|assertion)|code|api_?key)=)[^&#\s]+`,
  ].join("|"),
  "g",
);

/** A text without the credentials that it holds. */
export const redactText = (text: string): string => text.replace(SECRET_SHAPE, "[redacted]");

/** Fields as they may be written: secrets replaced, errors spelled out, whatever their depth. */
export function redact(fields: Fields): Fields {
  return Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, redactValue(name, value)]));
}

function redactValue(name: string, value: unknown): unknown {
  if (SECRET_NAME.test(name) && value != null && typeof value !== "boolean") return "[redacted]";
  if (typeof value === "string") return redactText(value);
  if (value instanceof Error) return describeError(value);
  if (Array.isArray(value)) return value.map((item) => redactValue("", item));
  if (value instanceof Date) return value.toISOString();
  if (typeof value === "object" && value !== null) return redact(value as Fields);
  return value;
}

/** Drizzle puts a statement's parameters into its message: people's data and hashes, which are no news to the log. */
const withoutParameters = (text: string): string => text.replace(/\nparams: [^\n]*/g, "\nparams: [redacted]");

function describeError(error: Error): Fields {
  const { name, cause } = error;
  const message = withoutParameters(error.message);
  const stack = error.stack && withoutParameters(error.stack);
  const code = "code" in error ? { code: String(error.code) } : {};
  const because = cause instanceof Error ? { cause: describeError(cause) } : {};
  return redact({ name, message, ...code, stack, ...because });
}
