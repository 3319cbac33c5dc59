import { setTimeout as sleep } from "node:timers/promises";
import { exchange } from "./delegation.mjs";
import { say, title, wire } from "./narrate.mjs";
import { knock } from "./notes.mjs";
import { Hint, notes, server } from "./options.mjs";
import { claimsOf, post, toldPost } from "./server.mjs";

/** Milliseconds between two questions about the same token. */
const PACE = 25;
/** Milliseconds after which every token must be in the list, which is made anew each second. */
const FEED_TIMEOUT = 5000;

/** The person stops the first agent; every token that came of it is refused, and it is told how soon. */
export async function stopAll(person, { orchestrator, search, database, chain }) {
  const last = chain.at(-1).token;
  title("The person stops the orchestrator");
  const watches = [
    ...chain.map(({ token, by, audience }) =>
      watch(`${by.name}'s token for ${audience}`, () => isActive(token, by)),
    ),
    watch(`${database.name} at the MCP server`, () => isLetIn(last)),
  ];
  const [pressed, ...watched] = await Promise.all([person.stop(), ...watches]);

  title("Everything that came of it is dead");
  const since = pressed ?? Math.min(...watched.map(({ lastLetIn }) => lastLetIn));
  const width = Math.max(...watched.map(({ name }) => name.length));
  for (const { name, refused } of watched)
    say(`${name.padEnd(width)}  refused after ${Math.round(refused - since)} ms`);
  say(`Counted from ${pressed ? "the press of the button" : "when all of it was last let in"}.`);

  title("The MCP server says why, and nothing new comes of the old tokens");
  const { status, challenge } = await knock(last);
  wire("POST", notes, status);
  say(challenge);
  await refusedRefresh(orchestrator);
  await refusedExchange(search, chain[1].token, database);
  await showFeed(chain);
}

async function refusedRefresh(by) {
  const form = { grant_type: "refresh_token", refresh_token: by.refreshToken };
  const { body } = await toldPost("/token", { as: by, form });
  say(`A refresh by ${by.name}: ${body.error}. ${body.error_description}`);
}

async function refusedExchange(by, token, { clientId: audience }) {
  const { body } = await exchange(by, token, { audience }, toldPost);
  say(`An exchange by ${by.name}: ${body.error}. ${body.error_description}`);
}

/** Asks until the answer is no: when it last was yes, and when it was no. */
async function watch(name, isGood) {
  let lastLetIn = performance.now();
  for (;;) {
    const asked = performance.now();
    if (!(await isGood())) return { name, lastLetIn, refused: performance.now() };
    lastLetIn = asked;
    await sleep(PACE);
  }
}

async function isActive(token, by) {
  const { status, body } = await post("/introspect", { as: by, form: { token } });
  if (status === 200) return body.active;
  throw new Hint(`The server does not say whether a token is good: ${body.error_description}`);
}

async function isLetIn(token) {
  const { status } = await knock(token);
  return status !== 401;
}

/** Who verifies offline reads the signed list, and finds every one of them in it. */
async function showFeed(chain) {
  const { createRemoteJWKSet, jwtVerify } = await import("jose");
  title("Who verifies offline reads it in the signed list of revoked tokens");
  const keys = createRemoteJWKSet(new URL(`${server}/.well-known/jwks.json`));
  const address = `${server}/.well-known/revocations`;
  const jtis = chain.map(({ token }) => claimsOf(token).jti);
  const expected = { typ: "revocations+jwt", issuer: server };
  for (const deadline = AbortSignal.timeout(FEED_TIMEOUT); ; await sleep(PACE)) {
    const response = await fetch(address);
    const { payload } = await jwtVerify(await response.text(), keys, expected);
    const listed = jtis.filter((jti) => payload.revoked.includes(jti));
    if (listed.length < jtis.length && !deadline.aborted) continue;
    wire("GET", address, response.status);
    return say(`${listed.length} of ${jtis.length} tokens are listed.`);
  }
}
