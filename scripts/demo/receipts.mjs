import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { command, say, title, wire } from "./narrate.mjs";
import { Hint, server } from "./options.mjs";
import { claimsOf, toldPost } from "./server.mjs";

const CLI = "dist/authgent.mjs";

/** Throws a hint unless the command line is there, which the proof is made with. */
export function requireCommandLine() {
  if (existsSync(CLI)) return;
  throw new Hint("The command line is not built yet. Run `npm run build` first.");
}

/** Every hop left a signed receipt: exported once, they prove the chain without the server. */
export async function showReceipts({ database, chain }) {
  const { token } = chain.at(-1);
  const folder = await mkdtemp(join(tmpdir(), "authgent-demo-"));
  const save = (name, value) => writeFile(join(folder, name), JSON.stringify(value));
  const prove = (name) => verifyChain(token, { folder, bundle: name });
  try {
    title("Every hop left a signed receipt, and they prove the chain without the server");
    const { status, body: bundle } = await toldPost("/receipts", { as: database, form: { token } });
    if (status !== 200) throw new Hint(`The server gave no receipts: ${bundle.error_description}`);
    await save("chain.json", bundle);
    await save("keys.json", await readKeys());
    say(prove("chain.json"));

    title("One hop changed, notes:write put in: not proven");
    await save("changed.json", { ...bundle, receipts: bundle.receipts.with(1, widened(bundle.receipts[1])) });
    say(prove("changed.json"));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function readKeys() {
  const address = `${server}/.well-known/jwks.json`;
  const response = await fetch(address);
  wire("GET", address, response.status);
  return response.json();
}

/** A receipt that says of its hop that it could write, under the signature it had before. */
function widened(receipt) {
  const [head, , signature] = receipt.split(".");
  const claims = { ...claimsOf(receipt), scope: "notes:read notes:write" };
  return [head, Buffer.from(JSON.stringify(claims)).toString("base64url"), signature].join(".");
}

/** What the command says, without the table of hops, which was shown already. */
function verifyChain(token, { folder, bundle }) {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [CLI, "verify-chain", "-", "--bundle", join(folder, bundle), "--jwks", join(folder, "keys.json")],
    { input: token, encoding: "utf8" },
  );
  command(`npx authgent verify-chain TOKEN --bundle ${bundle} --jwks keys.json`, status);
  const lines = (stdout + stderr).trim().split("\n");
  return lines.slice(lines.findIndex((line) => /^(Proven|Not proven):/.test(line)));
}
