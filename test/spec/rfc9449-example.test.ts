import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { notesServer } from "@/examples/mcp-server/notes.mjs";
import { protect } from "@/examples/mcp-server/protect.mjs";
import { liveVerifier } from "@/examples/mcp-server/verify-live.mjs";
import { offlineVerifier } from "@/examples/mcp-server/verify-offline.mjs";
import { type App, connect } from "@/test/support/client";
import { athOf, type KeyHolder, keyHolder } from "@/test/support/dpop";
import { listening } from "@/test/support/listening";

const resource = "http://localhost:8100/mcp";
const METADATA = "http://localhost:8100/.well-known/oauth-protected-resource/mcp";
const ALGS = "ES256 ES384 RS256 PS256 Ed25519";

let server: Awaited<ReturnType<typeof listening>>;
let key: KeyHolder;
let app: App;
let bound: string;
let bearer: string;

beforeAll(async () => {
  server = await listening();
  const c = connect(server.t);
  key = await keyHolder({ t: server.t, c });
  app = await c.registerPublic();
  bound = (await key.tokensFor(app, { resource, scope: "notes:read" })).access_token;
  bearer = (await c.tokensFor(app, { resource, scope: "notes:read" })).access_token;
});
afterAll(() => server.close());

const initialize = {
  jsonrpc: "2.0",
  id: 1,
  method: "initialize",
  params: { protocolVersion: "2025-06-18", capabilities: {}, clientInfo: { name: "t", version: "1" } },
};

/** The example beside docs/protect-an-mcp-server.md, in each of its modes. */
describe.each([
  ["live", liveVerifier],
  ["offline", offlineVerifier],
])("examples/mcp-server, %s: tokens that are bound to a key (RFC 9449 §7)", (_, verifierOf) => {
  let answer: (request: Request) => Promise<Response>;
  beforeAll(() => {
    // Read once, at the start: what polls on would poll until the end of all tests.
    const verifier = verifierOf({ issuer: server.url, resource, pollSeconds: 3600 });
    const scopes = ["notes:read", "notes:write"];
    const named = { name: "Notes", scopes, firstScopes: ["notes:read"] };
    answer = protect({ issuer: server.url, resource, ...named, verifier, server: notesServer });
  });

  const call = (authorization: string, dpop?: string) =>
    answer(
      new Request(resource, {
        method: "POST",
        headers: {
          "content-type": "application/json",
          accept: "application/json, text/event-stream",
          host: "localhost:8100",
          authorization,
          ...(dpop !== undefined && { dpop }),
        },
        body: JSON.stringify(initialize),
      }),
    );
  const proof = (changes: Record<string, unknown> = {}, by = key) =>
    by.proof({ changes: { htu: resource, ath: athOf(bound), ...changes } });
  const challengeOf = (response: Response) =>
    (response.headers.get("www-authenticate") ?? "").replace(/error_description="[^"]*", /, "");
  const challenge = (error: string) =>
    `DPoP error="${error}", resource_metadata="${METADATA}", algs="${ALGS}"`;

  it("§7.1: lets the holder of the key in, once by each proof", async () => {
    const once = await proof();
    expect((await call(`DPoP ${bound}`, once)).status).toBe(200);
    const again = await call(`DPoP ${bound}`, once);
    expect([again.status, challengeOf(again)]).toEqual([401, challenge("invalid_dpop_proof")]);
    expect((await call(`dpop ${bound}`, await proof())).status).toBe(200);
  });

  const refused: [string, () => Promise<string | undefined>][] = [
    ["no proof", async () => undefined],
    ["no JWT", async () => "no.jwt"],
    ["a proof for GET", () => proof({ htm: "GET" })],
    ["a proof for another address", () => proof({ htu: "http://localhost:8100/other" })],
    ["a proof for another token", () => proof({ ath: athOf(bearer) })],
    ["a proof without ath", () => proof({ ath: undefined })],
    ["a proof without jti", () => proof({ jti: undefined })],
    ["an old proof", () => proof({ iat: Math.floor(Date.now() / 1000) - 340 })],
    ["a proof of another key", async () => proof({}, await keyHolder({ t: server.t, c: connect(server.t) }))],
  ];
  it.each(refused)("§7.1: refuses %s", async (_what, make) => {
    const response = await call(`DPoP ${bound}`, await make());
    expect([response.status, challengeOf(response)]).toEqual([401, challenge("invalid_dpop_proof")]);
  });

  it("§7.2: refuses a bound token as a bearer token, and a bearer token as a bound one", async () => {
    for (const response of [
      await call(`Bearer ${bound}`),
      await call(`Bearer ${bound}`, await proof()),
      await call(`DPoP ${bearer}`, await proof({ ath: athOf(bearer) })),
    ])
      expect([response.status, challengeOf(response)]).toEqual([401, challenge("invalid_token")]);
    expect((await call(`Bearer ${bearer}`)).status).toBe(200);
  });
});
