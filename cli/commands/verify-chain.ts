import { readFile, writeFile } from "node:fs/promises";
import { text } from "node:stream/consumers";
import { z } from "zod";
import { isOAuthError } from "@/lib/errors";
import { verifyChain as prove } from "@/lib/oauth/chain-proof";
import { parseJson, parseJws } from "@/lib/oauth/jws";
import { isLoopbackHost } from "@/lib/oauth/uri";
import { loadSettings } from "@/lib/settings";
import { chainReport } from "../chain-report";
import { type Command, CommandError, type Options, USAGE } from "../command";

/** Proves what was delegated to a token: offline from a bundle, or from what its server says. */
export const verifyChain: Command = {
  name: "verify-chain",
  summary: "Prove what was delegated to a token; exits with 0 if proven, 1 if not, 2 if nothing was judged",
  usage:
    "TOKEN|- [--bundle FILE | --save FILE] [--jwks FILE|URL] [--issuer URL] [--client-id ID --client-secret SECRET]",
  positional: "token",
  options: {
    token: { type: "string", value: "TOKEN|-", about: "the access token; - reads it from standard input" },
    bundle: {
      type: "string",
      value: "FILE",
      about: "the chain as --save kept it: no server is asked for it",
    },
    save: { type: "string", value: "FILE", about: "keep the server's answer, for --bundle" },
    jwks: {
      type: "string",
      value: "FILE|URL",
      about: "the keys you trust, instead of those that came along",
    },
    issuer: {
      type: "string",
      value: "URL",
      about: "who must have issued the token, and is asked without --bundle",
    },
    "client-id": { type: "string", value: "ID", about: "a client that may look at the token, to ask as" },
    "client-secret": {
      type: "string",
      value: "SECRET",
      about: "its secret; only the token's issuer gets it",
    },
  },

  async run(options) {
    const { bundle: file, save, jwks: source, issuer } = given(options);
    if (file !== undefined && save !== undefined)
      throw refusal("Leave out --save: the bundle is a file already.");
    const token = await readToken(given(options).token);
    const bundle = file === undefined ? await fetchBundle(token, options) : await readJsonFile(file);
    if (save !== undefined) await writeJsonFile(save, bundle);
    const jwks = source === undefined ? undefined : await readKeys(source);

    const now = new Date();
    const proof = prove({ token: token.jws, bundle, jwks, issuer, now });
    const cameFrom = file === undefined ? "server" : "bundle";
    const report = chainReport(proof, { now, keys: jwks === undefined ? cameFrom : "given" });
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

/** A token as it was given, and its payload, which nobody has verified yet. */
type Token = { jws: string; payload: unknown };

/** `-` keeps the token out of the shell's history and out of the list of processes. */
async function readToken(token: string | undefined): Promise<Token> {
  const jws = token === "-" ? (await text(process.stdin)).trim() : token;
  if (!jws) throw refusal("Give the token, or - to read it from standard input.");
  try {
    return { jws, payload: parseJson(parseJws(jws).payload) };
  } catch (error) {
    if (!isOAuthError(error)) throw error;
    throw refusal(`TOKEN cannot be read, and nobody was asked: ${error.options.reason}.`);
  }
}

async function fetchBundle({ jws, payload }: Token, options: Options): Promise<unknown> {
  const { serverUrl, adminApiKey } = loadSettings().settings;
  const { issuer = serverUrl, "client-id": id, "client-secret": secret } = given(options);
  if ((id === undefined) !== (secret === undefined))
    throw refusal("Give --client-id and --client-secret together.");
  requireIssuedBy(issuer, payload);
  if (issuer !== serverUrl) requireSecure(issuer, "Give --issuer as an https address.");
  // The operator's key is for the operator's server.
  const adminKey = issuer === serverUrl ? adminApiKey : undefined;
  return requestJson(`${issuer}/receipts`, {
    method: "POST",
    body: new URLSearchParams({ token: jws }),
    headers:
      id !== undefined && secret !== undefined
        ? { authorization: `Basic ${btoa(`${encodeURIComponent(id)}:${encodeURIComponent(secret)}`)}` }
        : { ...(adminKey === undefined ? {} : { "x-admin-key": adminKey }) },
  });
}

/** Whoever wrote the token chose what it names: only what is an address, and nothing to a shell, is repeated. */
const Issued = z.object({ iss: z.string().regex(/^https?:\/\/[\w.:[\]/~-]+$/) });

/** Another server cannot answer for the token, and gets neither it nor anybody's secret. */
function requireIssuedBy(server: string, payload: unknown): void {
  const { data } = Issued.safeParse(payload);
  if (!data) throw refusal("The token names no server that could be asked (iss). Pass --bundle.");
  if (data.iss !== server)
    throw refusal(`This token is of ${data.iss}, and I would ask ${server}. Pass --issuer ${data.iss}.`);
}

function requireSecure(address: string, otherwise: string): void {
  const url = URL.canParse(address) ? new URL(address) : undefined;
  if (!url || (url.protocol !== "https:" && !isLoopbackHost(url.hostname))) throw refusal(otherwise);
}

async function readKeys(source: string): Promise<unknown> {
  if (!/^https?:/i.test(source)) return readJsonFile(source);
  // Keys that somebody on the way can replace prove nothing.
  requireSecure(source, "Give --jwks as a file or an https address.");
  return requestJson(source, {});
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
