import { beforeAll, describe, expect, it } from "vitest";
import { basic, type Connection, connect, newBrowser, refusalOf, tokensOf } from "@/test/support/client";
import { type TestContext, testContext } from "@/test/support/context";

let t: TestContext;
let c: Connection;

beforeAll(async () => {
  t = await testContext();
  c = connect(t);
});

describe("smoke", () => {
  it("works", async () => {
    const app = await c.registerPublic();
    const tokens = await c.tokensFor(app);
    expect(tokens).toEqual({});
  });
});
