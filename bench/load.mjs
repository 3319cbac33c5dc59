// Closed-loop load for one measurement: N connections, each starts the next flow when its last one is through.
import { createPrivateKey, createPublicKey, randomUUID, sign } from "node:crypto";
import { json } from "node:stream/consumers";
import { Pool } from "undici";

const { origin, flows, connections, seconds } = await json(process.stdin);
const pool = new Pool(origin, { connections, pipelining: 1 });
const latencies = [];
let refused = 0;
let unchecked = 0;
let next = 0;
const signers = new Map();
/** Milliseconds that went into signing proofs: of this process, not of the server's. */
let signing = 0;
const endsAt = performance.now() + seconds * 1000;

async function worker() {
  while (performance.now() < endsAt) {
    const requests = flows[next++ % flows.length];
    const startedAt = performance.now();
    let last = "";
    for (const request of requests) last = await send(request, last);
    latencies.push(performance.now() - startedAt);
  }
}

/** Sends one request; `{token}` in its body stands for the access token of the answer before. */
async function send({ path, headers = {}, body, holds, holder }, last) {
  const dpop = holder === undefined ? {} : { dpop: proofOf(holder, `${origin}${path}`) };
  const answer = await pool.request({
    path,
    method: "POST",
    headers: { "content-type": "application/x-www-form-urlencoded", ...headers, ...dpop },
    body: body.replace("{token}", last),
  });
  const text = await answer.body.text();
  if (answer.statusCode !== 200) refused += 1;
  // Every answer must hold what was asked for: a fast refusal is no result.
  else if (!text.includes(holds)) unchecked += 1;
  return /"access_token":"([^"]+)"/.exec(text)?.[1] ?? "";
}

/** A new proof by the key of this PEM, for one request to this address (RFC 9449 §4.2). */
function proofOf(pem, htu) {
  const { key, header } = signerOf(pem);
  const claims = { jti: randomUUID(), htm: "POST", htu, iat: Math.floor(Date.now() / 1000) };
  const input = `${header}.${encoded(claims)}`;
  const startedAt = performance.now();
  const signature = sign("sha256", Buffer.from(input), { key, dsaEncoding: "ieee-p1363" });
  signing += performance.now() - startedAt;
  return `${input}.${signature.toString("base64url")}`;
}

function signerOf(pem) {
  if (!signers.has(pem)) {
    const key = createPrivateKey(pem);
    const jwk = createPublicKey(key).export({ format: "jwk" });
    signers.set(pem, { key, header: encoded({ typ: "dpop+jwt", alg: "ES256", jwk }) });
  }
  return signers.get(pem);
}

function encoded(value) {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}

await Promise.all(Array.from({ length: connections }, worker));
latencies.sort((a, b) => a - b);
const at = (share) => latencies[Math.floor(latencies.length * share)];
process.stdout.write(
  JSON.stringify({
    flows: latencies.length,
    refused,
    unchecked,
    p50: at(0.5),
    p99: at(0.99),
    seconds,
    signing,
  }),
);
process.exit(0);
