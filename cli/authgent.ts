#!/usr/bin/env node
import { existsSync } from "node:fs";
import { parseArgs } from "node:util";
import { DatabaseInUseError } from "@/db/directory-lock";
import { explainDatabaseError } from "@/lib/http/unavailable";
import { SecretKeyMismatchError } from "@/lib/services/installation";
import { SettingsError } from "@/lib/settings";
import { type Command, CommandError, type Options, USAGE } from "./command";
import { createUser } from "./commands/create-user";
import { migrate } from "./commands/migrate";
import { rotateKeys } from "./commands/rotate-keys";
import { rotateSecret } from "./commands/rotate-secret";
import { verifyChain } from "./commands/verify-chain";
import { verifyDecision } from "./commands/verify-decision";
import { helpOf, helpOfAll } from "./help";

/** Every command. To add one: write its file, add its line. */
const commands: readonly Command[] = [
  createUser,
  migrate,
  rotateKeys,
  rotateSecret,
  verifyChain,
  verifyDecision,
];

/** Resolves to what is printed. */
async function main([name, ...args]: readonly string[]): Promise<string> {
  const [topic] = args;
  if (name === "help" && topic !== undefined) return main([topic, "--help"]);
  if (name === undefined || name === "help" || isHelp(name)) return helpOfAll(commands);
  const command = commands.find((candidate) => candidate.name === name);
  if (!command) throw new CommandError(`There is no command ${name}.\n\n${helpOfAll(commands)}`, USAGE);
  return args.some(isHelp) ? helpOf(command) : command.run(optionsOf(command, args));
}

const isHelp = (arg: string): boolean => arg === "--help" || arg === "-h";

function optionsOf(command: Command, args: readonly string[]): Options {
  const { positional } = command;
  const { values, positionals } = parse(command, args);
  const [first, second] = positionals;
  if (second !== undefined) throw new CommandError(`Leave out ${second}.\n\n${helpOf(command)}`, USAGE);
  return { ...(values as Options), ...(positional && first !== undefined ? { [positional]: first } : {}) };
}

function parse(command: Command, args: readonly string[]) {
  const { options, positional } = command;
  try {
    return parseArgs({ args: [...args], options, allowPositionals: positional !== undefined, strict: true });
  } catch (error) {
    if (!isParseError(error)) throw error;
    throw new CommandError(`${error.message}\n\n${helpOf(command)}`, USAGE);
  }
}

const isParseError = (error: unknown): error is Error =>
  error instanceof Error && "code" in error && String(error.code).startsWith("ERR_PARSE_ARGS");

const EXPLAINED = [CommandError, SettingsError, DatabaseInUseError, SecretKeyMismatchError];

function explain(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (EXPLAINED.some((kind) => error instanceof kind)) return error.message;
  return explainDatabaseError(error) ?? error.stack ?? error.message;
}

// As `npm start` does: what stands in the environment already wins.
if (existsSync(".env")) process.loadEnvFile(".env");

main(process.argv.slice(2)).then(
  (printed) => {
    process.stdout.write(`${printed}\n`);
    process.exit(0);
  },
  (error: unknown) => {
    process.stderr.write(`${explain(error)}\n`);
    process.exit(error instanceof CommandError ? error.exitCode : 1);
  },
);
