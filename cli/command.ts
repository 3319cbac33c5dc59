export type Options = Record<string, string | boolean | undefined>;

/** An option: what stands for its value in the help if it takes one, and what it does, on one line. */
export type CommandOption =
  | { type: "string"; value: string; about: string }
  | { type: "boolean"; about: string };

/** One command: what it is called, what it takes, and what it does; it resolves to what it prints. */
export type Command = {
  name: string;
  summary: string;
  /** How it is called, after `authgent NAME`. */
  usage: string;
  /** The option that may be given without its name, if there is one. */
  positional?: string;
  options: Readonly<Record<string, CommandOption>>;
  run(options: Options): Promise<string>;
};

/** The exit code of a command that was called in a way it cannot work. */
export const USAGE = 2;

/** A refusal for the person at the terminal: printed as it is. */
export class CommandError extends Error {
  override readonly name = "CommandError";

  constructor(
    message: string,
    readonly exitCode = 1,
  ) {
    super(message);
  }
}

/** The value of an option that must be given. */
export function required(options: Options, name: string): string {
  const value = options[name];
  if (typeof value !== "string" || value === "") throw new CommandError(`Give --${name}.`, USAGE);
  return value;
}
