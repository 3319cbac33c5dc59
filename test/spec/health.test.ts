import { beforeAll, describe, expect, it } from "vitest";
import { type Connection, connect } from "@/test/support/client";
import { type TestContext, testContext } from "@/test/support/context";

let t: TestContext;
let c: Connection;

beforeAll(async () => {
  t = await testContext();
  c = connect(t);
});

describe("GET /health and /ready", () => {
  it("both answer 200, need no credential, and are not stored", async () => {
    for (const [path, body] of [
      ["/health", { status: "ok" }],
      ["/ready", { status: "ready", db: "ok", keys: "ok" }],
    ] as const) {
      const response = await c.call(path);
      expect([response.status, await response.json()]).toEqual([200, body]);
      expect(response.headers.get("cache-control")).toBe("no-store");
    }
  });

  it("HEAD is answered too, for load balancers", async () => {
    const response = await c.call("/ready", { method: "HEAD" });
    expect([response.status, await response.text()]).toEqual([200, ""]);
  });

  it("while the database is away /ready is 503 with Retry-After, and /health stays 200", async () => {
    const away = Object.assign(new Error("connect ECONNREFUSED"), { code: "ECONNREFUSED" });
    const db = new Proxy(t.ctx.db, {
      get() {
        throw away;
      },
    });
    const cut = connect({ ...t, ctx: { ...t.ctx, db } });
    expect((await cut.call("/health")).status).toBe(200);
    const ready = await cut.call("/ready");
    expect([ready.status, ready.headers.get("retry-after")]).toEqual([503, "2"]);
    expect((await ready.json()).error).toBe("temporarily_unavailable");
  });
});

describe("Every answer", () => {
  it("carries an id of the request: the caller's own where it is a harmless one", async () => {
    const idOf = async (id: string) =>
      (await c.call("/health", { headers: { "x-request-id": id } })).headers.get("x-request-id");
    expect(await idOf("trace-1")).toBe("trace-1");
    expect(await idOf("a b")).toMatch(/^[0-9a-f-]{36}$/);
    expect(await idOf("x".repeat(65))).toMatch(/^[0-9a-f-]{36}$/);
  });

  it("is logged in one line that has its id and no secret", async () => {
    const secret = "sec_this-must-not-be-logged";
    await c.form("/token", { client_id: "dyn_x", client_secret: secret }, { "x-request-id": "logged-1" });
    const line = t.lines.find((each) => each.includes("logged-1") && each.includes('"request"')) ?? "";
    expect(line).toContain('"status":401');
    expect(t.lines.join("")).not.toContain(secret);
  });

  it("is never taken for another type, and only an https issuer asks for https", async () => {
    const { headers } = await c.call("/health");
    expect(headers.get("x-content-type-options")).toBe("nosniff");
    expect(headers.get("strict-transport-security")).toBe(null);
  });
});
