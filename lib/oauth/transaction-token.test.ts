import { describe, expect, it } from "vitest";
import {
  parseTransactionClaims,
  readJsonParameter,
  replacementClaims,
  type TransactionClaims,
  transactionClaims,
} from "./transaction-token";

const start = {
  issuer: "https://as.example",
  trustDomain: "trust.example",
  txn: "97053963-771d-49cc-a4e3-20aad399c312",
  sub: "user:ada",
  act: { sub: "client:agent" },
  address: "69.151.72.123",
};
const request = {
  requester: "client:gateway",
  scope: ["trade.stocks", "read"],
  details: { action: "BUY" },
  context: { channel: "web" },
  issuedAt: new Date(1_800_000_000_900),
  ttl: 120,
};
const first = transactionClaims(start, request);
const later = {
  requester: "client:pricing",
  scope: ["read"],
  details: undefined,
  context: undefined,
  issuedAt: new Date(1_800_000_030_000),
  ttl: 90,
};

const refusal = (description: string) => expect.objectContaining({ code: "invalid_request", description });

describe("a transaction that begins", () => {
  it("has every claim of the draft", () => {
    expect(first).toEqual({
      iss: "https://as.example",
      aud: "trust.example",
      txn: start.txn,
      sub: "user:ada",
      act: { sub: "client:agent" },
      iat: 1_800_000_000,
      exp: 1_800_000_120,
      scope: "trade.stocks read",
      req_wl: "client:gateway",
      tctx: { action: "BUY" },
      rctx: { channel: "web", req_ip: "69.151.72.123", authn: "urn:ietf:rfc:6749" },
    });
  });

  it("the server's own observations stand above what the requester says of them", () => {
    const context = { req_ip: "127.0.0.1", authn: "face" };
    expect(transactionClaims(start, { ...request, context }).rctx).toEqual({
      req_ip: "69.151.72.123",
      authn: "urn:ietf:rfc:6749",
    });
  });

  it("without details has no tctx", () => {
    expect(Object.keys(transactionClaims(start, { ...request, details: undefined }))).not.toContain("tctx");
  });

  it("is read as it was written", () => {
    expect(parseTransactionClaims(JSON.parse(JSON.stringify(first)))).toEqual(first);
  });

  it.each(["iss", "iat", "aud", "exp", "txn", "sub", "scope", "req_wl", "rctx"])(
    "is not read without %s",
    (name) => {
      const { [name as keyof TransactionClaims]: _, ...rest } = first;
      expect(() => parseTransactionClaims(rest)).toThrow(
        refusal("Send a transaction token as this server wrote it."),
      );
    },
  );
});

describe("Txn-Token as a subject_token", () => {
  it("keeps txn, sub, aud, act, tctx and rctx, names who asks, and keeps who asked before", () => {
    expect(replacementClaims(first, later)).toEqual({
      ...first,
      iat: 1_800_000_030,
      exp: 1_800_000_120,
      scope: "read",
      req_wl: "client:pricing",
      call_chain: ["client:gateway", "client:pricing"],
    });
  });

  it("may say more of the request", () => {
    const { rctx } = replacementClaims(first, { ...later, context: { hop: 2 } });
    expect(rctx).toEqual({ ...first.rctx, hop: 2 });
  });

  it.each(["channel", "req_ip", "authn"])("never says %s anew", (name) => {
    expect(() => replacementClaims(first, { ...later, context: { [name]: "web" } })).toThrow(
      refusal("A member of request_context is in the transaction already. Send only what is new."),
    );
  });

  it("what it is about does not change", () => {
    expect(() => replacementClaims(first, { ...later, details: { action: "SELL" } })).toThrow(
      refusal("Leave out request_details: what a transaction is about does not change."),
    );
  });

  it("what is said of the request stays small, over all replacements", () => {
    const half = "x".repeat(2500);
    const second = replacementClaims(first, { ...later, context: { a: half } });
    expect(() => replacementClaims(second, { ...later, context: { b: half } })).toThrow(
      refusal("Send request_context with less in it: it may have 4096 bytes."),
    );
  });

  it("is replaced five times", () => {
    let claims = first;
    for (let count = 1; count <= 5; count += 1) claims = replacementClaims(claims, later);
    expect(claims.call_chain?.length).toBe(6);
    expect(() => replacementClaims(claims, later)).toThrow(
      refusal("This transaction token was replaced 5 times. Start a new transaction."),
    );
  });
});

describe("request_details and request_context", () => {
  const read = (value: string) => () => readJsonParameter("request_details", value);
  const nested = (levels: number): string => (levels === 1 ? "{}" : `{"a":${nested(levels - 1)}}`);

  it("are optional", () => {
    expect([undefined, ""].map((value) => readJsonParameter("request_details", value))).toEqual([
      undefined,
      undefined,
    ]);
  });

  it("are a JSON object, to its limits", () => {
    expect(read('{"action":"BUY","quantity":100}')()).toEqual({ action: "BUY", quantity: 100 });
    expect(read(nested(5))()).toEqual({ a: { a: { a: { a: {} } } } });
    expect(Object.keys(read(`{"a":"${"x".repeat(4088)}"}`)() ?? {})).toEqual(["a"]);
  });

  it.each([
    "[]",
    "null",
    '"a"',
    "1",
    "{",
    "{a:1}",
    nested(6),
    '{"__proto__":{}}',
    '{"a":{"__proto__":1}}',
    '{"a":[[[[[]]]]]}',
  ])("are not %s", (value) => {
    expect(read(value)).toThrow(refusal("Send request_details as a JSON object of at most 5 levels."));
  });

  it.each(["9007199254740993", "-9007199254740992", "1e400", "1e20"])(
    "arrive word for word or not at all: %s",
    (number) => {
      expect(read('{"account":9007199254740991,"share":0.1}')()).toEqual({
        account: 9007199254740991,
        share: 0.1,
      });
      for (const value of [`{"account":${number}}`, `{"of":[{"account":${number}}]}`])
        expect(read(value)).toThrow(
          refusal(
            "Send large numbers in request_details as text: as numbers they would not arrive word for word.",
          ),
        );
    },
  );

  it("are small: as bytes, as written", () => {
    for (const value of [
      `{"a":"${"x".repeat(4089)}"}`,
      `{"a":"${"é".repeat(2045)}"}`,
      `{"a":[${"1e15,".repeat(300)}1]}`,
    ])
      expect(read(value)).toThrow(refusal("Send request_details with less in it: it may have 4096 bytes."));
  });
});
