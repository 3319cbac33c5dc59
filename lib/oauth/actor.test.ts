import { describe, expect, it } from "vitest";
import { checkMayAct, delegationDepth, extendChain } from "./actor";

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
