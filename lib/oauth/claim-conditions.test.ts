import { describe, expect, it } from "vitest";
import { areSelective, meetsConditions } from "./claim-conditions";

const KUBERNETES = {
  sub: "system:serviceaccount:search:crawler",
  aud: ["https://auth.example.com"],
  "kubernetes.io": { namespace: "search", serviceaccount: { name: "crawler" } },
  amr: ["pwd", "otp"],
  runs: 7,
  ready: true,
};

describe("what claims meet", () => {
  it.each([
    ["the exact value", { sub: "system:serviceaccount:search:crawler" }],
    ["a beginning", { sub: "system:serviceaccount:search:*" }],
    ["a nested claim under a name with a dot", { "kubernetes.io.serviceaccount.name": "crawler" }],
    ["a name with a dot", { "a.b": "c" }, { "a.b": "c", a: { b: "d" } }],
    ["a member of a list", { amr: "otp" }],
    ["the beginning of a member", { amr: "pw*" }],
    ["a number and a Boolean in writing", { runs: "7", ready: "true" }],
    ["all of several", { "kubernetes.io.namespace": "search", ready: "true" }],
  ])("%s", (_what, conditions, claims: Record<string, unknown> = KUBERNETES) => {
    expect(meetsConditions(claims, conditions)).toBe(true);
  });

  it.each([
    ["no conditions", {}],
    ["another value", { sub: "system:serviceaccount:search:crawler2" }],
    ["a value of another case", { sub: "System:serviceaccount:search:crawler" }],
    ["a beginning that is not its own", { sub: "system:serviceaccount:shop:*" }],
    ["a * that is not at the end", { sub: "system:*:crawler" }],
    ["a claim that is not there", { groups: "*" }],
    ["an object", { "kubernetes.io": "*" }],
    ["a number by its beginning", { runs: "7*" }],
    ["what every object inherits", { "constructor.name": "Object" }],
    ["one of several only", { "kubernetes.io.namespace": "search", ready: "false" }],
    ["a list in a list", { groups: "a" }, { groups: [["a"]] }],
    ["a number that JSON tells apart and JavaScript does not", { id: "9007199254740992" }, { id: 2 ** 53 }],
    [
      "what a shorter name has, where a longer one is there",
      { "a.b.c": "d" },
      { "a.b": { x: "y" }, a: { b: { c: "d" } } },
    ],
    ["no path into text", { "sub.length": "*" }],
  ])("never %s", (_what, conditions, claims: Record<string, unknown> = KUBERNETES) => {
    expect(meetsConditions(claims, conditions)).toBe(false);
  });
});

describe("what singles workloads out", () => {
  it.each([
    { sub: "repo:acme/web:ref:refs/heads/main" },
    { sub: "repo:acme/*" },
    { sub: "spiffe://td.example/agents/*" },
    { repository_owner: "acme", environment: "production" },
  ])("%j does", (conditions) => {
    expect(areSelective(conditions)).toBe(true);
  });

  it.each([
    {},
    { iss: "https://a.example", aud: "https://b.example" },
    { sub: "*" },
    { sub: "repo:*" },
    { sub: "spiffe://*" },
    { sub: "repo:*", repository_owner: "acme" },
    { repository_owner: "acme" },
    { repository_owner: "acme", environment: "*" },
    { repository_owner: "acme", aud: "https://b.example" },
    { sub: "" },
    { sub: "**" },
    { repository_owner: "acme", environment: "**" },
    { exp: "1*", iat: "1*" },
    { nbf: "1", auth_time: "1*", jti: "a*" },
    { email_verified: "true", typ: "JWT" },
  ])("%j does not", (conditions) => {
    expect(areSelective(conditions)).toBe(false);
  });
});
