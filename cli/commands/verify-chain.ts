import { readFile, writeFile } from "node:fs/promises";
import { text } from "node:stream/consumers";
import { verifyChain as prove } from "@/lib/oauth/chain-proof";
import { isLoopbackHost } from "@/lib/oauth/uri";
import { loadSettings } from "@/lib/settings";
import { chainReport } from "../chain-report";
import { type Command, CommandError, type Options, USAGE } from "../command";

/** Proves what was delegated to a token: offline from a bundle, or from what the running server says. */
export const verifyChain: Command = {
  name: "verify-chain",
  summary: "Prove what was delegated to a token; exits with 0 if proven, 1 if not, 2 if nothing was judged",
  usage:
    "TOKEN|- [--bundle FILE | --save FILE] [--jwks FILE|URL] [--issuer URL] [--client-id ID --client-secret SECRET]",
  positional: "token",
  options: {
    token: { type: "string" },
    bundle: { type: "string" },
    save: { type: "string" },
    jwks: { type: "string" },
    issuer: { type: "string" },
    "client-id": { type: "string" },
    "client-secret": { type: "string" },
  },

  async run(options) {
    const { bundle: file, save, jwks: keys, issuer } = given(options);
    if (file !== undefined && save !== undefined)
      throw refusal("Leave out --save: the bundle is a file already.");
    const token = await readToken(given(options).token);
    const bundle = file === undefined ? await fetchBundle(token, options) : await readJsonFile(file);
    if (save !== undefined) await writeJsonFile(save, bundle);
    const jwks = keys === undefined ? undefined : await readKeys(keys);

    const now = new Date();
    const proof = prove({ token, bundle, jwks, issuer, now });
    const report = chainReport(proof, { now, keysGiven: jwks !== undefined });
    if (!proof.ok) throw new CommandError(report);
    return report;
  },
};

/** Whatever keeps us from judging; exit code 1 is for what was judged. */
const refusal = (message: string): CommandError => new CommandError(message, USAGE);

const given = (options: Options): Readonly<Record<string, string | undefined>> =>
  Object.fromEntries(
    Object.entries(options).filter((option): option is [string, string] => typeof option[1] === "string"),
  );

/** `-` keeps the token out of the shell's history and out of the list of processes. */
async function readToken(token: string | undefined): Promise<string> {
  const read = token === "-" ? (await text(process.stdin)).trim() : token;
  if (!read) throw refusal("Give the token, or - to read it from standard input.");
  return read;
}

async function fetchBundle(token: string, options: Options): Promise<unknown> {
  const { serverUrl, adminApiKey } = loadSettings().settings;
  const { "client-id": id, "client-secret": secret } = given(options);
  if ((id === undefined) !== (secret === undefined))
    throw refusal("Give --client-id and --client-secret together.");
  return requestJson(`${serverUrl}/receipts`, {
    method: "POST",
    body: new URLSearchParams({ token }),
    headers:
      id !== undefined && secret !== undefined
        ? { authorization: `Basic ${btoa(`${encodeURIComponent(id)}:${encodeURIComponent(secret)}`)}` }
        : { ...(adminApiKey === undefined ? {} : { "x-admin-key": adminApiKey }) },
  });
}

function readKeys(source: string): Promise<unknown> {
  if (!/^https?:/i.test(source)) return readJsonFile(source);
  const url = URL.canParse(source) ? new URL(source) : undefined;
  // Keys that somebody on the way can replace prove nothing.
  if (!url || (url.protocol !== "https:" && !isLoopbackHost(url.hostname)))
    throw refusal("Give --jwks as a file or an https address.");
  return requestJson(url.href, {});
}

async function requestJson(url: string, init: RequestInit): Promise<unknown> {
  const response = await fetch(url, { ...init, redirect: "error" }).catch(() => {
    throw refusal(`${url} does not answer. Start the server, or pass --bundle to do without it.`);
  });
  const body: unknown = await response.json().catch(() => undefined);
  if (response.ok && body !== undefined) return body;
  const said = typeof body === "object" && body !== null && "error_description" in body;
  throw refusal(said ? String(body.error_description) : `${url} answered ${response.status}, and no JSON.`);
}

async function readJsonFile(file: string): Promise<unknown> {
  const content = await readFile(file, "utf8").catch(() => {
    throw refusal(`Cannot read ${file}.`);
  });
  try {
    return JSON.parse(content);
  } catch {
    throw refusal(`${file} is not JSON.`);
  }
}

async function writeJsonFile(file: string, value: unknown): Promise<void> {
  await writeFile(file, `${JSON.stringify(value, null, 2)}\n`).catch(() => {
    throw refusal(`Cannot write ${file}.`);
  });
}
