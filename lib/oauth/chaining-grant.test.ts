import { describe, expect, it } from "vitest";
import { chainingGrantClaims, findChainingTarget } from "./chaining-grant";

const grant = {
  issuer: "https://as.a.example",
  target: "https://as.b.example",
  jti: "0199a1b2-0000-7000-8000-000000000001",
  subject: "user:ada",
  act: { sub: "client:search", act: { sub: "client:planner" } },
  clientId: "search",
  scope: ["read", "search"],
  issuedAt: new Date(1_800_000_000_900),
  ttl: 60,
};
const key = Buffer.alloc(32, 1);
const minimized = (changes: Partial<typeof grant> = {}, ofKey = key) =>
  chainingGrantClaims({ ...grant, ...changes }, { policy: "minimize", key: ofKey });

describe("which server a grant may be for", () => {
  const trusted = ["https://as.b.example", "https://as.c.example/token", "https://as.d.example/auth"];

  it.each([
    ["https://as.b.example", "https://as.b.example"],
    ["https://as.b.example/token", "https://as.b.example"],
    ["https://as.c.example", "https://as.c.example/token"],
    ["https://as.c.example/token", "https://as.c.example/token"],
  ])("%s is %s of the settings", (requested, target) => {
    expect(findChainingTarget(trusted, requested)).toBe(target);
  });

  it.each([
    "https://as.d.example",
    "https://as.b.example/",
    "https://AS.b.example",
    "https://as.b.example/token/token",
    "https://as.b.example.evil.example",
    "",
  ])("%j is none of them", (requested) => {
    expect(findChainingTarget(trusted, requested)).toBe(undefined);
  });
});

describe("§2.5: claims transcription", () => {
  it("preserve_sub says who it is for and everybody who acts, each as this server names them", () => {
    expect(chainingGrantClaims(grant, { policy: "preserve_sub", key })).toEqual({
      iss: "https://as.a.example",
      sub: "user:ada",
      aud: "https://as.b.example",
      jti: grant.jti,
      iat: 1_800_000_000,
      exp: 1_800_000_060,
      scope: "read search",
      human_root: true,
      client_id: "search",
      act: {
        sub: "client:search",
        iss: "https://as.a.example",
        act: { sub: "client:planner", iss: "https://as.a.example" },
      },
    });
  });

  it("an actor of a third server stays that server's", () => {
    const act = { sub: "client:search", act: { sub: "client:x", iss: "https://as.z.example" } };
    expect(chainingGrantClaims({ ...grant, act }, { policy: "preserve_sub", key }).act).toEqual({
      sub: "client:search",
      iss: "https://as.a.example",
      act: { sub: "client:x", iss: "https://as.z.example" },
    });
  });

  it("minimize says that it is a person, what they allow, and nothing else of them", () => {
    const { sub, ...rest } = minimized();
    expect(sub).toMatch(/^[\w-]{43}$/);
    expect(rest).toEqual({
      iss: "https://as.a.example",
      aud: "https://as.b.example",
      jti: grant.jti,
      iat: 1_800_000_000,
      exp: 1_800_000_060,
      scope: "read search",
      human_root: true,
    });
  });

  it("a pseudonym is the same at one server however it is addressed, and another everywhere else", () => {
    const { sub } = minimized();
    expect(minimized({ target: "https://as.b.example/token" }).sub).toBe(sub);
    const others = [
      minimized({ target: "https://as.c.example" }),
      minimized({ subject: "user:bob" }),
      minimized({}, Buffer.alloc(32, 2)),
    ];
    expect(new Set([sub, ...others.map((claims) => claims.sub)]).size).toBe(4);
  });

  it("an agent that acts for itself is no person", () => {
    const claims = chainingGrantClaims(
      { ...grant, subject: "client:search", act: undefined },
      { policy: "preserve_sub", key },
    );
    expect([claims.sub, claims.human_root, claims.act]).toEqual(["client:search", false, undefined]);
  });

  it("nor is it behind a pseudonym", () => {
    expect(minimized({ subject: "client:search" }).human_root).toBe(false);
  });

  it("no scope is said as none", () => {
    expect(minimized({ scope: [] }).scope).toBe("");
  });
});
