import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import type { OAuthError } from "@/lib/errors";
import type { AccessTokenClaims } from "./access-token";
import { parseReceiptClaims, receiptClaims, receiptHash } from "./receipt";

const ISSUER = "https://as.example";
const [FIRST, SECOND] = ["01990000-0000-7000-8000-000000000001", "01990000-0000-7000-8000-000000000002"];
const HASH = createHash("sha256").update("receipt").digest("base64url");

const subject: AccessTokenClaims = {
  iss: ISSUER,
  sub: "user:ada",
  aud: "https://mcp.example",
  client_id: "dyn_app",
  iat: 1_900_000_000,
  exp: 1_900_003_600,
  jti: FIRST,
  scope: "mail:read mail:send",
};

const hop = {
  issuer: ISSUER,
  issuedAt: new Date(1_900_000_010_900),
  jti: SECOND,
  sub: "user:ada",
  clientId: "agnt_search",
  act: { sub: "client:agnt_search" },
  audience: "https://mail.example",
  scope: ["mail:read"],
  expiresAt: new Date(1_900_000_310_000),
  subject: { claims: subject, grant: "grnt_1", approval: "appr_1" },
  policy: "built-in/1",
};

const made = {
  iss: ISSUER,
  iat: 1_900_000_010,
  jti: SECOND,
  sub: "user:ada",
  client_id: "agnt_search",
  act: { sub: "client:agnt_search" },
  depth: 1,
  aud: "https://mail.example",
  scope: "mail:read",
  exp: 1_900_000_310,
  policy: "built-in/1",
  jkt: null,
};

const parent = {
  jti: FIRST,
  client_id: "dyn_app",
  aud: "https://mcp.example",
  scope: "mail:read mail:send",
  exp: 1_900_003_600,
};

function refusal(payload: unknown) {
  try {
    parseReceiptClaims(payload);
  } catch (error) {
    const { code, options } = error as OAuthError;
    return `${code}: ${options.reason}`;
  }
  return "accepted";
}

const MALFORMED = "invalid_request: a member of the receipt is missing, unknown or malformed";

describe("writing a receipt", () => {
  it("names the origin where the token came from no exchange", () => {
    expect(receiptClaims(hop)).toEqual({
      ...made,
      parent: { ...parent, receipt: null },
      origin: { ...parent, grant: "grnt_1", approval: "appr_1", sub: "user:ada", iat: 1_900_000_000 },
    });
  });

  it("names the receipt before it where there is one, and the chain as it was", () => {
    const claims = { ...subject, rcpt: HASH, act: { sub: "client:agnt_1" } };
    const act = { sub: "client:agnt_2", act: { sub: "client:agnt_1" } };
    expect(receiptClaims({ ...hop, act, subject: { claims } })).toEqual({
      ...made,
      act,
      depth: 2,
      parent: { ...parent, act: { sub: "client:agnt_1" }, receipt: HASH },
    });
  });

  it("says where the token of another server came from, and nothing that bounds it here", () => {
    const foreign = { issuer: "https://idp.example", sub: "ada@idp.example", jti: "a-1" };
    expect(receiptClaims({ ...hop, subject: foreign })).toEqual({
      ...made,
      parent: { receipt: null },
      origin: foreign,
    });
  });

  it("carries the actor token, approval, grant and key of the hop", () => {
    const given = { actorToken: FIRST, approval: "appr_2", grant: "grnt_1", jkt: HASH };
    expect(receiptClaims({ ...hop, ...given })).toMatchObject({
      actor_token: { jti: FIRST },
      approval: "appr_2",
      grant: "grnt_1",
      jkt: HASH,
    });
  });

  it("does not count the person a chain started from as a hop (product decision D7)", () => {
    const act = { sub: "client:agnt_search", act: { sub: "user:ada" } };
    expect(receiptClaims({ ...hop, act }).depth).toBe(1);
  });
});

describe("reading a receipt", () => {
  const claims = receiptClaims(hop);
  const { origin: _origin, ...withoutOrigin } = { origin: undefined, ...claims };

  it("gives back what was written", () => {
    expect(parseReceiptClaims(JSON.parse(JSON.stringify(claims)))).toEqual(claims);
  });

  it.each([
    ["a member nobody knows", { ...claims, note: "trust me" }],
    ["an actor with a member nobody knows", { ...claims, act: { sub: "client:a", admin: true } }],
    ["no origin although it continues nothing", withoutOrigin],
    ["an origin although it continues another", { ...claims, parent: { ...parent, receipt: HASH } }],
    ["a hash that is none", { ...withoutOrigin, parent: { ...parent, receipt: "abc" } }],
    ["a scope that is none", { ...claims, scope: "mail:read  mail:send" }],
    ["a depth below zero", { ...claims, depth: -1 }],
    ["a time that is no whole second", { ...claims, exp: 1_900_000_310.5 }],
    ["no key member", { ...claims, jkt: undefined }],
    ["a list", [claims]],
  ])("refuses %s", (_name, payload) => {
    expect(refusal(payload)).toBe(MALFORMED);
  });
});

it("knows a receipt by the SHA-256 of its compact serialization", () => {
  expect(receiptHash("receipt")).toBe(HASH);
});
