import { describe, expect, it } from "vitest";
import type { ChainProof } from "@/lib/oauth/chain-proof";
import { chainReport } from "./chain-report";

const now = new Date("2030-03-17T17:46:40Z");
const LATER = (seconds: number) => new Date(now.getTime() + seconds * 1000);
const exp = LATER(3600).getTime() / 1000;

const hop = {
  actor: "client:search",
  clientId: "search",
  audience: "https://db.example",
  scopeBefore: ["mail:read", "db:read"],
  scopeAfter: ["db:read"],
  detailsBefore: [],
  detailsAfter: [],
  dropped: ["mail:read"],
  expiresAt: LATER(300),
  policy: "built-in/1",
  approval: undefined,
};
const origin = {
  jti: "01990000-0000-7000-8000-000000000001",
  sub: "user:ada",
  client_id: "dyn_app",
  scope: "mail:read db:read",
  aud: "https://mcp.example",
  iat: exp - 3600,
  exp,
  grant: "grnt_1",
  approval: "appr_1",
};
const proof = { ok: true, issuer: "https://as.example", origin, hops: [hop], expired: false } as const;

const report = (change: object = {}, keys: "given" | "server" | "bundle" = "given") =>
  chainReport({ ...proof, ...change } as ChainProof, { now, keys }).split("\n");

describe("the report of a chain", () => {
  it("shows where it started, a line for each hop, and the verdict", () => {
    expect(report()).toEqual([
      "Issued by https://as.example for user:ada.",
      "",
      "       WHO             SCOPE                        DROPPED    FOR                  TIME         ALLOWED BY",
      "start  client:dyn_app  mail:read db:read                       https://mcp.example  3600 s left  grant grnt_1, approval appr_1",
      "1      client:search   mail:read db:read → db:read  mail:read  https://db.example   300 s left   built-in/1",
      "",
      "Proven: 1 hop, and none gave more than there was before it. This proves how the token came about, not that it still counts: ask /introspect.",
    ]);
  });

  it.each([
    ["bundle", "the bundle itself"],
    ["server", "the server's answer"],
  ] as const)("says where keys that nobody gave came from: %s", (keys, source) => {
    expect(report({}, keys).at(-1)).toBe(
      `The keys came from ${source}; pass --jwks to prove with keys you know.`,
    );
  });

  it("names the types of authorization details, and what cannot be proven of them here", () => {
    const types = { detailsBefore: ["payment", "mcp_tool"], detailsAfter: ["payment"] };
    const lines = report({ hops: [{ ...hop, ...types, scopeBefore: [], scopeAfter: [] }] });
    expect(lines[3]).toContain("mail:read db:read; in detail: payment, mcp_tool");
    expect(lines[4]).toContain("in detail: payment, mcp_tool → in detail: payment");
    expect(lines[6]).toContain("is the server's word: it takes the schema of its type.");
  });

  it("says when the token has expired, and when a hop ended", () => {
    const lines = report({ expired: true, hops: [hop, { ...hop, expiresAt: now }] });
    expect(lines[5]).toContain("  ended  ");
    expect(lines.at(-1)).toBe(
      "Proven: 2 hops, and none gave more than there was before it. The token has expired.",
    );
  });

  it("says so where nobody was delegated to", () => {
    expect(report({ hops: [] }).at(-1)).toBe(
      "Proven: nobody was delegated to. This proves how the token came about, not that it still counts: ask /introspect.",
    );
  });

  it("shows a chain of another server by who vouches for its start, and an approval by its name", () => {
    const lines = report({
      origin: { issuer: "https://idp.example", sub: "ada" },
      hops: [{ ...hop, scopeBefore: undefined, dropped: [], scopeAfter: [], approval: "appr_2" }],
    });
    expect(lines.slice(3, 5)).toEqual([
      "start  ada                              as https://idp.example says",
      "1      client:search  nothing           https://db.example           300 s left  built-in/1, approval appr_2",
    ]);
  });

  it("lists every problem, and lets none of them move the cursor", () => {
    const problems = [
      "Hop 1: its scope gained admin:all.",
      "The token was issued by \u001b[2Jx\u202e, not by y.",
    ];
    expect(chainReport({ ok: false, problems }, { now, keys: "bundle" }).split("\n")).toEqual([
      "Not proven:",
      "  Hop 1: its scope gained admin:all.",
      "  The token was issued by ?[2Jx?, not by y.",
    ]);
  });
});
