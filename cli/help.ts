import type { Command, CommandOption } from "./command";

/** What `authgent help` prints: every command. */
export const helpOfAll = (commands: readonly Command[]): string =>
  [
    "authgent COMMAND",
    "",
    ...commands.flatMap((command) => [...linesOf(command).map((line) => `  ${line}`.trimEnd()), ""]),
    SETTINGS,
  ].join("\n");

/** What `authgent COMMAND --help` prints. */
export const helpOf = (command: Command): string =>
  [`authgent ${linesOf(command).join("\n")}`, "", SETTINGS].join("\n");

const SETTINGS = "Settings come from the environment and .env, as for the server: docs/configuration.md";

function linesOf({ name, usage, summary, positional, options }: Command): readonly string[] {
  const rows = Object.entries(options).map(
    ([key, option]) => [nameOf(key, option, key === positional), option.about] as const,
  );
  const width = Math.max(...rows.map(([label]) => label.length));
  return [
    `${name} ${usage}`,
    `    ${summary}`,
    "",
    ...rows.map(([label, about]) => `    ${label.padEnd(width)}  ${about}`),
  ];
}

function nameOf(key: string, option: CommandOption, positional: boolean): string {
  if (option.type === "boolean") return `--${key}`;
  return positional ? option.value : `--${key} ${option.value}`;
}
