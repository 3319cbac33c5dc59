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
import { verifyChain } from "./commands/verify-chain";

/** Every command. To add one: write its file, add its line. */
const commands: readonly Command[] = [createUser, migrate, rotateKeys, verifyChain];

const help = () =>
  [
    "authgent COMMAND",
    "",
    ...commands.map(({ name, usage, summary }) => `  ${name} ${usage}\n      ${summary}`),
    "",
    "Settings come from the environment and .env, as for the server: docs/configuration.md",
  ].join("\n");

async function main([name, ...args]: readonly string[]): Promise<void> {
  if (name === undefined || name === "help" || name === "--help") {
    process.stdout.write(`${help()}\n`);
    return;
  }
  const command = commands.find((candidate) => candidate.name === name);
  if (!command) throw new CommandError(`There is no command ${name}.\n\n${help()}`, USAGE);
  process.stdout.write(`${await command.run(optionsOf(command, args))}\n`);
}

function optionsOf({ options, positional }: Command, args: readonly string[]): Options {
  const allowPositionals = positional !== undefined;
  const { values, positionals } = parseArgs({ args: [...args], options, allowPositionals, strict: true });
  const [first, second] = positionals;
  if (second !== undefined) throw new CommandError(`Leave out ${second}.\n\n${help()}`, USAGE);
  return { ...(values as Options), ...(positional && first !== undefined ? { [positional]: first } : {}) };
}

const EXPLAINED = [CommandError, SettingsError, DatabaseInUseError, SecretKeyMismatchError];

function explain(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (EXPLAINED.some((kind) => error instanceof kind)) return error.message;
  if (isParseError(error)) return `${error.message}\n\n${help()}`;
  return explainDatabaseError(error) ?? error.stack ?? error.message;
}

const isParseError = (error: object): boolean =>
  "code" in error && String(error.code).startsWith("ERR_PARSE_ARGS");

function exitCodeOf(error: unknown): number {
  if (error instanceof CommandError) return error.exitCode;
  return error instanceof Error && isParseError(error) ? USAGE : 1;
}

// As `npm start` does: what stands in the environment already wins.
if (existsSync(".env")) process.loadEnvFile(".env");

main(process.argv.slice(2)).then(
  () => process.exit(0),
  (error: unknown) => {
    process.stderr.write(`${explain(error)}\n`);
    process.exit(exitCodeOf(error));
  },
);
