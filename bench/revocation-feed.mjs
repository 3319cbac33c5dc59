// The one query behind /.well-known/revocations, on PostgreSQL: node bench/revocation-feed.mjs
// Tokens come in chains of four: a plain one and the three that were made of it, hop by hop.
import { rmSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { sql } from "drizzle-orm";
import { build, stop } from "esbuild";
import { root } from "../scripts/fingerprint.mjs";
import { ensurePostgres } from "../scripts/postgres.mjs";
import { createDatabase, spread } from "./servers.mjs";

const LIVE = 100_000;
const DEAD = 1000;
const RUNS = 21;

const { migrate, openDatabase, uncountedTokens } = await importOurs();
const server = await ensurePostgres({ durable: true });
const { db, close } = await openDatabase(await createDatabase(server.url));
try {
  await migrate(db);
  await db.execute(sql`insert into clients
      (client_id, kind, name, token_endpoint_auth_method, application_type, redirect_uris, grant_types,
       response_types, created_at, created_by)
    select 'agnt_' || n, 'agent', 'bench', 'none', 'web', '{}', '{}', '{}', now(), 'bench'
    from generate_series(0, 999) n`);
  await addChains(0, LIVE / 4);
  await report(`${LIVE} live`, 0);
  await addChains(LIVE / 4, DEAD / 4);
  await db.execute(sql`update access_tokens set revoked_at = now()
    where jti in (select ${jti(sql`c * 4`)} from generate_series(${LIVE / 4}::int, ${(LIVE + DEAD) / 4 - 1}::int) c)`);
  await report(`${LIVE} live, ${DEAD / 4} revoked with three descendants each`, DEAD);
} finally {
  await close();
  await server.stop();
}

/** Adds chains of four tokens each, from the one with this number on. */
async function addChains(first, count) {
  await db.execute(sql`
    insert into access_tokens
      (jti, client_id, subject, scope, audience, issued_at, expires_at, lineage)
    select ${jti(sql`c * 4 + hop`)}, 'agnt_' || (c * 4 + hop) % 1000, 'client:agnt_' || c * 4 % 1000, '{notes:read}',
      'https://notes.example/mcp', now(), now() + interval '1 hour',
      array(select ${jti(sql`c * 4 + before`)} from generate_series(0, hop - 1) before)
    from generate_series(${first}::int, ${first + count - 1}::int) c, generate_series(0, 3) hop`);
  await db.execute(sql`analyze access_tokens`);
}

function jti(number) {
  return sql`('01990000-0000-7000-8000-' || lpad(to_hex(${number}), 12, '0'))::uuid`;
}

async function report(title, expected) {
  const times = [];
  for (let run = 0; run < RUNS; run += 1) {
    const startedAt = performance.now();
    const listed = await db.execute(sql`${uncountedTokens(new Date(), "dead or frozen")} order by 1`);
    times.push(performance.now() - startedAt);
    if (listed.length !== expected) throw new Error(`${listed.length} tokens listed, not ${expected}`);
  }
  process.stdout.write(`${title}: ${spread(times, 1)} ms for ${expected} tokens listed\n`);
}

/** Plain Node does not read TypeScript, so the code that is measured is bundled first. */
async function importOurs() {
  const outfile = join(root, "dist", `bench-${process.pid}.mjs`);
  const contents = `
    export { openDatabase } from "./db/client";
    export { migrate } from "./db/migrate";
    export { uncountedTokens } from "./lib/services/revocation-feed";`;
  await build({
    absWorkingDir: root,
    stdin: { contents, resolveDir: root, loader: "ts" },
    outfile,
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node20",
    packages: "external",
    logLevel: "error",
  });
  await stop();
  try {
    return await import(pathToFileURL(outfile).href);
  } finally {
    rmSync(outfile);
  }
}
