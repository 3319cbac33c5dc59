// Closed-loop load for one measurement: N connections, each sends the next request when the last one answered.
import { Pool } from "undici";

const { origin, path, body, connections, seconds } = JSON.parse(process.argv[2]);
const pool = new Pool(origin, { connections, pipelining: 1 });
const latencies = [];
let refused = 0;
let unchecked = 0;
const endsAt = performance.now() + seconds * 1000;

async function worker() {
  while (performance.now() < endsAt) {
    const startedAt = performance.now();
    const answer = await pool.request({
      path,
      method: "POST",
      headers: { "content-type": "application/x-www-form-urlencoded" },
      body,
    });
    const text = await answer.body.text();
    latencies.push(performance.now() - startedAt);
    if (answer.statusCode !== 200) refused += 1;
    // Every answer must hold a token: a fast refusal is no result.
    else if (!text.includes('"access_token":"ey')) unchecked += 1;
  }
}

await Promise.all(Array.from({ length: connections }, worker));
latencies.sort((a, b) => a - b);
const at = (share) => latencies[Math.floor(latencies.length * share)];
process.stdout.write(
  JSON.stringify({ requests: latencies.length, refused, unchecked, p50: at(0.5), p99: at(0.99), seconds }),
);
process.exit(0);
