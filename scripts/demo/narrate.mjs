import { styleText } from "node:util";

let steps = 0;

/** Opens a step: its number, and what happens in it. */
export function title(text) {
  steps += 1;
  console.log(`\n${strong(`${String(steps).padStart(2)}  ${text}`)}`);
}

/** What matters of a step, a line each. */
export function say(...lines) {
  for (const line of lines.flat()) console.log(line === "" ? "" : `    ${line}`);
}

/** One exchange over the wire: quiet, so that the eye finds the sentence. */
export const wire = (method, url, status) => dim(`${method} ${url} → ${status}`);

/** One command, as the reader would type it, and its exit code. */
export const command = (line, code) => dim(`$ ${line} → ${code}`);

/** For the few words that the eye has to find at a terminal. */
export function strong(text) {
  return process.stdout.isTTY ? styleText("bold", text) : text;
}

function dim(text) {
  const line = `    ${text}`;
  console.log(process.stdout.isTTY ? styleText("dim", line) : line);
}

/** The beginning of something too long to read. */
export const clip = (text) => (text.length > 12 ? `${text.slice(0, 12)}…` : text);

/** Text with its long words clipped: ids, tokens and hashes. */
export const short = (text) => text.replaceAll(/[\w-]{20,}/g, clip);
