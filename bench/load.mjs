// Closed-loop load for one measurement: N connections, each starts the next flow when its last one is through.
import { json } from "node:stream/consumers";
import { Pool } from "undici";

const { origin, flows, connections, seconds } = await json(process.stdin);
const pool = new Pool(origin, { connections, pipelining: 1 });
const latencies = [];
let refused = 0;
let unchecked = 0;
let next = 0;
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
async function send({ path, headers = {}, body, holds }, last) {
  const answer = await pool.request({
    path,
    method: "POST",
    headers: { "content-type": "application/x-www-form-urlencoded", ...headers },
    body: body.replace("{token}", last),
  });
  const text = await answer.body.text();
  if (answer.statusCode !== 200) refused += 1;
  // Every answer must hold what was asked for: a fast refusal is no result.
  else if (!text.includes(holds)) unchecked += 1;
  return /"access_token":"([^"]+)"/.exec(text)?.[1] ?? "";
}

await Promise.all(Array.from({ length: connections }, worker));
latencies.sort((a, b) => a - b);
const at = (share) => latencies[Math.floor(latencies.length * share)];
process.stdout.write(
  JSON.stringify({ flows: latencies.length, refused, unchecked, p50: at(0.5), p99: at(0.99), seconds }),
);
process.exit(0);
