#!/usr/bin/env node
import { existsSync } from "node:fs";
import { parseArgs } from "node:util";
import { DatabaseInUseError } from "@/db/directory-lock";
import { explainDatabaseError } from "@/lib/http/unavailable";
import { SecretKeyMismatchError } from "@/lib/services/installation";
import { SettingsError } from "@/lib/settings";
import { type Command, CommandError } from "./command";
import { createUser } from "./commands/create-user";
import { migrate } from "./commands/migrate";
import { rotateKeys } from "./commands/rotate-keys";

/** Every command. To add one: write its file, add its line. */
const commands: readonly Command[] = [createUser, migrate, rotateKeys];

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
  if (!command) throw new CommandError(`There is no command ${name}.\n\n${help()}`);
  const { values } = parseArgs({ args: [...args], options: command.options, strict: true });
  process.stdout.write(`${await command.run(values as Parameters<Command["run"]>[0])}\n`);
}

const EXPLAINED = [CommandError, SettingsError, DatabaseInUseError, SecretKeyMismatchError];

function explain(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (EXPLAINED.some((kind) => error instanceof kind)) return error.message;
  if ("code" in error && String(error.code).startsWith("ERR_PARSE_ARGS"))
    return `${error.message}\n\n${help()}`;
  return explainDatabaseError(error) ?? error.stack ?? error.message;
}

// As `npm start` does: what stands in the environment already wins.
if (existsSync(".env")) process.loadEnvFile(".env");

main(process.argv.slice(2)).then(
  () => process.exit(0),
  (error: unknown) => {
    process.stderr.write(`${explain(error)}\n`);
    process.exit(1);
  },
);
