import { spawn } from "node:child_process";
import { constants } from "node:os";
import { basename } from "node:path";

const isWindows = process.platform === "win32";
const HEARTBEAT_SECONDS = 15;
const KILL_SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"];
/** Commands under way, each with the signal that ends it when this process ends. */
const live = new Map();

/** A command that ended badly: `message` says which, `output` is everything it printed. */
export class CommandFailed extends Error {
  constructor(message, output) {
    super(message);
    this.name = "CommandFailed";
    this.output = output;
  }
}

/** Says what is under way and for how long; resolves to what `work` resolves to. */
export async function step(title, work) {
  const started = performance.now();
  const progress = report(title, started);
  try {
    const result = await work();
    progress.end("✓");
    return result;
  } catch (error) {
    progress.end("✗");
    throw error;
  }
}

/** Whole seconds from ten on, tenths below: `71 s`, `0.4 s`. */
export function duration(started) {
  const seconds = (performance.now() - started) / 1000;
  return `${seconds < 10 ? seconds.toFixed(1) : Math.round(seconds)} s`;
}

/** A terminal sees one line that counts; a log sees the line again now and then, so that it is never silent. */
function report(title, started) {
  const { isTTY } = process.stdout;
  const write = (mark, note) => process.stdout.write(`${isTTY ? "\r\x1b[K" : ""}${mark} ${title} ${note}`);
  const running = () => write("•", `… ${duration(started)}${isTTY ? "" : "\n"}`);

  write("•", isTTY ? "…" : "…\n");
  const timer = setInterval(running, isTTY ? 1000 : HEARTBEAT_SECONDS * 1000);
  return {
    end(mark) {
      clearInterval(timer);
      write(mark, `${duration(started)}\n`);
    },
  };
}

/**
 * Runs a command with its output kept back, and resolves to its exit code and that output.
 * Whatever ends this process, or `timeoutSeconds`, ends the command and everything it started.
 */
export function run(command, args, { timeoutSeconds, env, ...options } = {}) {
  const child = start(command, args, { ...options, env: { ...process.env, ...colours(), ...env } });
  let output = "";
  const collect = (chunk) => {
    output += chunk;
  };
  child.stdout.setEncoding("utf8").on("data", collect);
  child.stderr.setEncoding("utf8").on("data", collect);

  return new Promise((resolve) => {
    const expired = () => {
      output += `\n${command} took longer than ${timeoutSeconds} seconds and was stopped.\n`;
      kill(child, "SIGKILL");
    };
    const timer = timeoutSeconds && setTimeout(expired, timeoutSeconds * 1000);
    const end = (code) => {
      clearTimeout(timer);
      resolve({ code, output });
    };
    child.once("error", (error) => {
      output += `${error.message}\n`;
      end(127);
    });
    child.once("close", (code) => end(code ?? 1));
  });
}

/** Colours are for eyes at a terminal; in a log they are noise. */
function colours() {
  return process.stdout.isTTY ? { FORCE_COLOR: "1" } : { NO_COLOR: "1" };
}

/** As `run`, for a command that has to succeed. */
export async function must(command, args, options) {
  const { code, output } = await run(command, args, options);
  if (code !== 0)
    throw new CommandFailed(`${[basename(command), ...args].join(" ")} ended with code ${code}`, output);
  return output;
}

/** Starts a command in a process group of its own, which gets `endSignal` when this process ends. */
export function start(command, args, { endSignal = "SIGKILL", ...options } = {}) {
  const child = spawn(command, args, {
    stdio: ["ignore", "pipe", "pipe"],
    detached: !isWindows,
    shell: isWindows,
    ...options,
  });
  if (live.size === 0) watchForTheEnd();
  live.set(child, endSignal);
  child.once("close", () => forget(child));
  child.once("error", () => forget(child));
  return child;
}

/** Sends a signal to a command and to everything it started. */
export function kill(child, signal) {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  try {
    process.kill(isWindows ? child.pid : -child.pid, signal);
  } catch (error) {
    if (error.code !== "ESRCH") throw error;
  }
}

function forget(child) {
  if (live.delete(child) && live.size === 0) stopWatching();
}

function watchForTheEnd() {
  process.on("exit", killAll);
  for (const signal of KILL_SIGNALS) process.on(signal, leave);
}

/** Nothing of ours is left to end, so signals mean again what they mean to everybody. */
function stopWatching() {
  process.off("exit", killAll);
  for (const signal of KILL_SIGNALS) process.off(signal, leave);
}

function killAll() {
  for (const [child, signal] of live) kill(child, signal);
}

/** Ends with the code that a shell gives to a death by this signal. */
function leave(signal) {
  process.exit(128 + constants.signals[signal]);
}

/** Ends the process over an error: what went wrong, and in full what a failed command printed. */
export function fail(error) {
  if (error instanceof CommandFailed) console.error(`\n${error.output.trim()}\n\n${error.message}`);
  else console.error(error);
  process.exit(1);
}
