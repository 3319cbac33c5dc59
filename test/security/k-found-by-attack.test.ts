import { eq } from "drizzle-orm";
import { beforeAll, describe, expect, it } from "vitest";
import { users } from "@/db/schema/users";
import { createLog } from "@/lib/log";
import { approvalOf, newBrowser, tokensOf } from "@/test/support/client";
import { type PublicServer, publicServer } from "@/test/support/public-server";

let s: PublicServer;
beforeAll(async () => {
  s = await publicServer();
});

describe("a person whose role was taken back (product decision D19)", () => {
  it("passes on nothing that takes the role: not by refresh, not in a token that is out, not by a new answer", async () => {
    const resource = await s.createResource([], {
      scopes: [
        { name: "read", description: "Read", risk: "low" },
        { name: "boss", description: "Rule", risk: "high", minimum_role: "admin" },
      ],
    });
    const app = await s.createApp();
    const person = await s.c.signIn("admin");
    const by = { person, browser: newBrowser() };
    const first = await s.c.tokensFor(app, { resource, scope: "read boss" }, by);
    expect((await s.introspect(first.access_token)).scope).toBe("read boss");

    await s.t.ctx.db.update(users).set({ role: "member" }).where(eq(users.id, person.user.id));
    expect((await s.introspect(first.access_token)).scope).toBe("read");
    expect((await tokensOf(await s.c.refresh(app, first.refresh_token ?? ""))).scope).toBe("read");
    expect((await s.c.tokensFor(app, { resource, scope: "read" }, by)).scope).toBe("read");
  });
});

describe("a used code", () => {
  it("ends nothing when whoever repeats it has no verifier (AV1)", async () => {
    const app = await s.createApp();
    const code = await s.c.codeFor(app);
    const tokens = await tokensOf(await s.c.redeem(app, code));
    for (const verifier of ["", "b".repeat(43)]) {
      const repeated = await s.c.token(app, {
        grant_type: "authorization_code",
        code: code.code,
        ...(verifier ? { code_verifier: verifier } : {}),
      });
      expect([repeated.status, (await repeated.json()).error]).toEqual([400, "invalid_grant"]);
    }
    expect(await s.isActive(tokens.access_token)).toBe(true);
  });
});

describe("a request that another site began (client quirk Q24)", () => {
  it("is asked about even when every later step was our own and the answer is remembered", async () => {
    const app = await s.createApp();
    const by = { person: await s.c.signIn("member"), browser: newBrowser() };
    await s.c.tokensFor(app, {}, by);
    const begun = await s.c.authorize(s.c.requestOf(app), by, { "sec-fetch-site": "cross-site" });
    const id = approvalOf(begun);
    const resumed = await s.c.call(`/authorize/${id}`, {
      headers: { ...s.c.cookies(by), "sec-fetch-site": "same-origin" },
    });
    expect([resumed.status, resumed.headers.get("location")]).toEqual([303, `/approve/${id}`]);
  });
});

describe("the log", () => {
  it("holds no parameters of a statement that failed", () => {
    const lines: string[] = [];
    const failure = new Error(
      "Failed query: insert into users values ($1)\nparams: ada@example.com,$argon2id$v=19$secret",
    );
    createLog(
      "info",
      () => new Date(0),
      (line) => lines.push(line),
    ).error("unexpected error", { error: failure });
    expect(lines.join("")).not.toMatch(/ada@example|argon2id/);
  });
});
