import { describe, expect, it } from "vitest";
import { actorsOf, checkMayAct, delegationDepth, extendChain } from "./actor";

const ISS = "https://other.example";

describe("actors of another server (RFC 8693 §4.1)", () => {
  it("are not taken for ours of the same name: the hop is added", () => {
    const foreign = { sub: "client:a", iss: ISS };
    expect(extendChain({ sub: "user:ada", act: foreign }, "client:a")).toEqual({
      sub: "client:a",
      act: foreign,
    });
    expect(extendChain({ sub: "user:ada", act: { sub: "client:a" } }, "client:a")).toEqual({
      sub: "client:a",
    });
  });

  it("count as hops whatever they are called; only our own person at the root does not", () => {
    expect(delegationDepth({ sub: "client:a", act: { sub: "user:ada", iss: ISS } })).toBe(2);
    expect(delegationDepth({ sub: "client:a", act: { sub: "user:ada" } })).toBe(1);
    expect(delegationDepth({ sub: "user:ada", act: { sub: "client:a" } })).toBe(2);
    expect(delegationDepth(undefined)).toBe(0);
  });
});

describe("the examples of RFC 8693", () => {
  const [service16, service77] = ["https://service16.example.com", "https://service77.example.com"];

  it("§4.1: service16 acts now, for service77, which acted for the user", () => {
    const nested = { sub: service16, act: { sub: service77 } };
    const subject = { sub: "user@example.com", act: { sub: service77 } };
    expect(extendChain(subject, service16)).toEqual(nested);
    expect([actorsOf(nested), delegationDepth(nested)]).toEqual([[service16, service77], 2]);
  });

  it("§A.2: the token that comes of the subject token and its may_act says who acts", () => {
    const subject = { sub: "user@example.net" };
    const mayAct = { sub: "admin@example.net" };
    expect(() => checkMayAct(mayAct, "admin@example.net")).not.toThrow();
    expect(() => checkMayAct(mayAct, "user@example.net")).toThrow("may_act does not name this client");
    expect(extendChain(subject, "admin@example.net")).toEqual({ sub: "admin@example.net" });
  });
});

describe("may_act (RFC 8693 §4.4)", () => {
  it.each([undefined, { sub: "client:a" }, { sub: ["client:b", "client:a"] }])(
    "%j lets client:a act",
    (mayAct) => {
      expect(() => checkMayAct(mayAct, "client:a")).not.toThrow();
    },
  );
  it.each([null, "client:a", [], {}, { sub: [] }, { sub: 1 }, { sub: ["client:b"] }, { client_id: "a" }])(
    "%j does not",
    (mayAct) => {
      expect(() => checkMayAct(mayAct, "client:a")).toThrow("may_act does not name this client");
    },
  );
});
