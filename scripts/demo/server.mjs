import { existsSync } from "node:fs";
import { wire } from "./narrate.mjs";
import { Hint, server } from "./options.mjs";

/** Throws a hint unless the server is ready. */
export async function requireServer() {
  if (!existsSync("node_modules"))
    throw new Hint("The packages are not installed yet. Run `npm start` first.");
  const ready = await fetch(`${server}/ready`).catch(() => undefined);
  if (ready?.ok) return;
  throw new Hint(
    `The server at ${server} ${ready ? "is not ready" : "does not answer"}. ` +
      "Start it in another terminal with `npm start`, or say where it is with AUTHGENT_SERVER_URL.",
  );
}

/**
 * Sends a form or JSON to the server, as an agent if `as` is one.
 *
 * @param {string} path
 * @param {{ as?: { clientId: string, secret: string }, form?: object, json?: object, headers?: object }} what
 */
export async function post(path, { as, form, json, headers }) {
  const response = await fetch(`${server}${path}`, {
    method: "POST",
    headers: {
      ...(as && { authorization: basic(as) }),
      ...(json && { "content-type": "application/json" }),
      ...headers,
    },
    body: form ? new URLSearchParams(form) : JSON.stringify(json),
  }).catch(() => {
    throw new Hint(`The server at ${server} does not answer any more.`);
  });
  return { status: response.status, body: await response.json() };
}

/** As `post`, told as one line. */
export async function toldPost(path, what) {
  const answer = await post(path, what);
  wire("POST", `${server}${path}`, answer.status);
  return answer;
}

/** What a token says, read and not verified: verifying is the part of whom it is for. */
export const claimsOf = (token) => JSON.parse(Buffer.from(token.split(".")[1], "base64url").toString());

/** Id and secret are form-encoded first (RFC 6749 §2.3.1). */
function basic({ clientId, secret }) {
  const [user, password] = [clientId, secret].map(encodeURIComponent);
  return `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`;
}
