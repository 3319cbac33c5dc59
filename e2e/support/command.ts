import { spawn } from "node:child_process";
import { once } from "node:events";

export type Outcome = { code: number | null; stdout: string; stderr: string };

/** Runs one of our programs to its end, with nothing of the caller's own settings. */
export async function run(args: readonly string[], env: Readonly<Record<string, string>>): Promise<Outcome> {
  const { PATH, HOME, TMPDIR } = process.env;
  const child = spawn(process.execPath, args, {
    env: { PATH, HOME, TMPDIR, NODE_ENV: "production", ...env },
  });
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
    stdout += chunk;
  });
  child.stderr.setEncoding("utf8").on("data", (chunk: string) => {
    stderr += chunk;
  });
  const [code] = await once(child, "close");
  return { code, stdout, stderr };
}
