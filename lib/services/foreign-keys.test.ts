import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { isOAuthError } from "@/lib/errors";
import { type TestContext, testContext } from "@/test/support/context";
import { type ForeignIssuer, foreignIssuer, newForeignKey, sendJson } from "@/test/support/foreign-issuer";
import { findForeignKey } from "./foreign-keys";
import type { TrustedIssuer } from "./trusted-issuers";

let t: TestContext;
let theirs: ForeignIssuer;

beforeEach(async () => {
  t = await testContext();
  theirs = await foreignIssuer();
});
afterEach(() => theirs.close());

const issuerOf = (more: Partial<TrustedIssuer> = {}): TrustedIssuer => ({
  id: "1",
  issuer: theirs.issuer,
  name: "Theirs",
  purposes: ["workload"],
  jwksUri: null,
  audiences: [],
  scope: null,
  people: { create: false, allowedDomains: [] },
  workloads: [],
  status: "active",
  createdAt: t.ctx.now(),
  createdBy: "test",
  updatedAt: t.ctx.now(),
  ...more,
});

/** Whether a key is found; or the refusal's code and its Retry-After. */
async function found(kid: string | undefined, alg = "ES256" as const, issuer = issuerOf()): Promise<unknown> {
  try {
    return (await findForeignKey(t.ctx, issuer, { kid, alg })) !== undefined;
  } catch (error) {
    if (!isOAuthError(error)) throw error;
    return [error.code, error.options.headers?.["retry-after"]];
  }
}

const discovery = () => `${theirs.path}/.well-known/openid-configuration`;
const inserted = () => `/.well-known/oauth-authorization-server${theirs.path}`;
const jwks = () => `${theirs.path}/jwks`;
const UNREACHABLE = ["temporarily_unavailable", "10"];

describe("where an issuer's keys are", () => {
  it("OIDC Discovery §4: its metadata says so", async () => {
    expect(await found("k1")).toBe(true);
    expect(theirs.state.asked).toEqual([discovery(), jwks()]);
  });

  it("RFC 8414 §3: or the metadata of an authorization server, with the path after the well-known part", async () => {
    theirs.state.answers[discovery()] = (response) => response.writeHead(404).end();
    theirs.state.answers[inserted()] = (response) => sendJson(response, theirs.state.metadata);
    expect(await found("k1")).toBe(true);
    expect(theirs.state.asked).toEqual([discovery(), inserted(), jwks()]);
  });

  it("or the operator does, and nothing else is asked", async () => {
    const { jwksUri } = theirs;
    expect(await found("k1", "ES256", issuerOf({ issuer: "spiffe://td.example", jwksUri }))).toBe(true);
    expect(theirs.state.asked).toEqual([jwks()]);
  });

  it.each([
    ["another issuer", () => ({ ...theirs.state.metadata, issuer: `${theirs.issuer}/` })],
    ["no jwks_uri", () => ({ issuer: theirs.issuer })],
    ["a jwks_uri that is no URL", () => ({ issuer: theirs.issuer, jwks_uri: "jwks" })],
    ["a jwks_uri without TLS", () => ({ issuer: theirs.issuer, jwks_uri: "http://id.example/jwks" })],
    ["a jwks_uri of another scheme", () => ({ issuer: theirs.issuer, jwks_uri: "file:///etc/passwd" })],
    ["a list", () => []],
  ])("RFC 8414 §3.3: metadata with %s is not used", async (_what, metadata) => {
    theirs.state.answers[discovery()] = (response) => sendJson(response, metadata());
    expect(await found("k1")).toEqual(UNREACHABLE);
    expect(theirs.state.asked).toEqual([discovery(), inserted()]);
  });
});

describe("RFC 7517 §5: which key is taken", () => {
  it("one with the kid and for the algorithm of the token", async () => {
    expect(await found("k1")).toBe(true);
    expect(await found("k2")).toBe(false);
    expect(await findForeignKey(t.ctx, issuerOf(), { kid: "k1", alg: "RS256" })).toBe(undefined);
  });

  it("a key without alg, whose type fits", async () => {
    const { alg: _, use: __, ...bare } = theirs.state.key.publicJwk;
    theirs.state.keys = [bare];
    expect(await found("k1")).toBe(true);
  });

  it("without kid the only one that fits, and none of several", async () => {
    const rsa = await newForeignKey("rsa", "RS256");
    theirs.state.keys = [...theirs.state.keys, rsa.publicJwk];
    expect(await found(undefined)).toBe(true);
    t.advance(600);
    theirs.state.keys = [...theirs.state.keys, (await newForeignKey("k2")).publicJwk];
    expect(await found(undefined)).toBe(false);
  });

  it.each([
    ["private", { d: "AAAA" }],
    ["meant for encryption", { use: "enc" }],
    ["meant for another algorithm", { alg: "ES384" }],
    ["symmetric", { kty: "oct", k: "AAAA" }],
    ["off the curve", { x: "AAAA" }],
  ])("never one that is %s", async (_what, change) => {
    theirs.state.keys = [{ ...theirs.state.key.publicJwk, ...change }];
    expect(await found("k1")).toBe(false);
  });

  it("SPIFFE bundles: one whose use is jwt-svid", async () => {
    theirs.state.keys = [{ ...theirs.state.key.publicJwk, use: "jwt-svid" }];
    expect(await found("k1")).toBe(true);
  });

  it.each([
    ["no set", { key: 1 }],
    ["too many keys", { keys: Array(101).fill({}) }],
  ])("%s is no key at all", async (_what, body) => {
    theirs.state.answers[jwks()] = (response) => sendJson(response, body);
    expect(await found("k1")).toEqual(UNREACHABLE);
  });
});

describe("how often an issuer is asked", () => {
  const timesAsked = () => theirs.state.asked.filter((path) => path === jwks()).length;

  it("a new kid is found ten seconds after the last look, and looked for no more often", async () => {
    expect(await found("k1")).toBe(true);
    const next = await newForeignKey("k2");
    theirs.state.keys = [...theirs.state.keys, next.publicJwk];
    expect(await found("k2")).toBe(false);
    expect(timesAsked()).toBe(1);
    t.advance(10);
    expect(await found("k2")).toBe(true);
    expect(timesAsked()).toBe(2);
    for (let made = 0; made < 20; made++) expect(await found(`made-up-${made}`)).toBe(false);
    expect(timesAsked()).toBe(2);
  });

  it("known keys are looked at again after five minutes: one that is withdrawn is refused from then on", async () => {
    expect(await found("k1")).toBe(true);
    theirs.state.keys = [];
    t.advance(299);
    expect(await found("k1")).toBe(true);
    expect(timesAsked()).toBe(1);
    t.advance(1);
    expect(await found("k1")).toBe(true);
    await t.settled();
    expect(timesAsked()).toBe(2);
    expect(await found("k1")).toBe(false);
  });

  it("after ten minutes nobody goes by what was read before", async () => {
    expect(await found("k1")).toBe(true);
    theirs.state.keys = [];
    t.advance(600);
    expect(await found("k1")).toBe(false);
  });

  it("an issuer that hangs keeps nobody waiting whose key is known", async () => {
    expect(await found("k1")).toBe(true);
    theirs.state.answers[discovery()] = () => {};
    t.advance(300);
    expect(await found("k1")).toBe(true);
    expect(await found("k1")).toBe(true);
    const givenUp = t.lines.filter((line) => line.includes("keys not read"));
    expect(givenUp).toEqual([]);
    await theirs.close();
    await t.settled();
    t.advance(3299);
    expect(await found("k1")).toBe(true);
  });

  it("metadata and keys together have five seconds, and the pause begins when they are over", async () => {
    theirs.state.answers[discovery()] = () => t.advance(20);
    expect(await found("k1")).toEqual(UNREACHABLE);
    expect(await found("k1")).toEqual(UNREACHABLE);
    expect(theirs.state.asked).toEqual([discovery()]);
  }, 10_000);

  it("fifty tokens at once are one look", async () => {
    const all = await Promise.all(Array.from({ length: 50 }, () => found("k1")));
    expect(all).toEqual(Array(50).fill(true));
    expect(timesAsked()).toBe(1);
  });

  it("while the issuer is away its keys serve for an hour; then, and without keys, it is 503 with Retry-After", async () => {
    expect(await found("k1")).toBe(true);
    theirs.state.answers[discovery()] = (response) => response.writeHead(500).end();
    t.advance(3599);
    expect(await found("k1")).toBe(true);
    t.advance(1);
    expect(await found("k1")).toEqual(UNREACHABLE);
    theirs.state.answers = {};
    expect(await found("k1")).toEqual(UNREACHABLE);
    t.advance(10);
    expect(await found("k1")).toBe(true);
  });

  it("an issuer that is away is not asked more often than every ten seconds either", async () => {
    theirs.state.answers[jwks()] = (response) => response.writeHead(500).end();
    expect(await found("k1")).toEqual(UNREACHABLE);
    expect(await found("k1")).toEqual(UNREACHABLE);
    expect(timesAsked()).toBe(1);
    expect(t.lines.at(-1)).toContain(`answered 500`);
  });
});
