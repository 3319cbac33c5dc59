import { and, eq } from "drizzle-orm";
import { beforeAll, describe, expect, it } from "vitest";
import { events } from "@/db/schema/events";
import { users } from "@/db/schema/users";
import { inTransaction } from "@/lib/context";
import { type TestContext, testContext, unique } from "@/test/support/context";
import { createLocalUser, type ForeignIdentity, findUser, linkPerson, upsertProviderUser } from "./users";

let t: TestContext;

beforeAll(async () => {
  t = await testContext();
});

const ANYBODY = { create: true, allowedDomains: [] };
const NOBODY = { create: false, allowedDomains: [] };
const OURS = { create: true, allowedDomains: ["corp.example"] };

const link = (identity: ForeignIdentity, rule = ANYBODY as typeof OURS) =>
  inTransaction(t.ctx, (tx) => linkPerson(tx, identity, rule));
const identity = (more: Partial<ForeignIdentity> = {}): ForeignIdentity => ({
  issuer: "https://id.example",
  sub: unique("ada-"),
  verifiedEmail: "ada@corp.example",
  name: "Ada",
  ...more,
});

describe("D19: the person behind a trusted issuer's identity", () => {
  it("is made known once, as a member, and stays who they are", async () => {
    const ada = identity();
    const first = await link(ada);
    expect(first).toMatchObject({ email: "ada@corp.example", name: "Ada", role: "member", status: "active" });
    const later = await link({ ...ada, verifiedEmail: "grace@corp.example", name: "Grace" });
    expect(later).toEqual(first);
    const told = await t.ctx.db
      .select({ data: events.data })
      .from(events)
      .where(and(eq(events.type, "user.created"), eq(events.subject, `user:${first?.id}`)));
    expect(told).toEqual([{ data: { role: "member", provider: "https://id.example" } }]);
  });

  it("of ten first assertions at once one person comes", async () => {
    const ada = identity();
    const people = await Promise.all(Array.from({ length: 10 }, () => link(ada)));
    expect(new Set(people.map((person) => person?.id)).size).toBe(1);
  });

  it("is the one who signed in through the same provider, with the role they have", async () => {
    const { issuer, sub } = identity();
    const admin = await upsertProviderUser(t.ctx, {
      issuer,
      sub,
      email: "a@b.example",
      name: "A",
      role: "admin",
    });
    expect(await link({ issuer, sub }, NOBODY)).toEqual(admin);
  });

  it("is nobody's by e-mail, nor by the same subject elsewhere", async () => {
    const email = `${unique()}@corp.example`;
    const person = { email, name: "Local", role: "admin", password: "long enough" } as const;
    const local = await createLocalUser(t.ctx, person, "test");
    const ada = identity({ verifiedEmail: email });
    const linked = await link(ada);
    expect(linked).toMatchObject({ email, role: "member" });
    expect(linked?.id).not.toBe(local.id);
    expect((await link({ ...ada, issuer: "https://other.example" }))?.id).not.toBe(linked?.id);
  });

  it("is unknown where nobody is made known", async () => {
    expect(await link(identity(), NOBODY)).toBe(undefined);
  });

  it.each([
    ["of another domain", "ada@evil.example"],
    ["of a subdomain", "ada@sub.corp.example"],
    ["of a longer domain", "ada@evil-corp.example"],
    ["missing", undefined],
  ])("does not come in with a verified e-mail that is %s", async (_what, verifiedEmail) => {
    expect(await link(identity({ verifiedEmail }), OURS)).toBe(undefined);
  });

  it("comes in with a verified e-mail of an allowed domain, in any case", async () => {
    expect((await link(identity({ verifiedEmail: "Ada@Corp.Example" }), OURS))?.email).toBe(
      "Ada@Corp.Example",
    );
  });

  it("goes by their subject where nothing else is known", async () => {
    const { issuer, sub } = identity();
    expect(await link({ issuer, sub })).toMatchObject({ email: "", name: sub });
  });

  it.each([
    ["turns the text around", "\u202eadmin"],
    ["has lines", "ada\nadmin"],
    ["is nothing to see", "   "],
    ["is longer than a name", "a".repeat(101)],
  ])("has a neutral name where the subject %s", async (_what, sub) => {
    const person = await link({ issuer: `https://${unique()}.example/tenant`, sub });
    expect(person?.name).toMatch(/^Person of [a-z0-9-]+\.example$/);
  });

  it("gets the id that was decided on, unless they are known already", async () => {
    const ada = identity();
    const first = await inTransaction(t.ctx, (tx) => linkPerson(tx, ada, ANYBODY, "01ADA"));
    const second = await inTransaction(t.ctx, (tx) => linkPerson(tx, ada, ANYBODY, "01GRACE"));
    expect([first?.id, second?.id]).toEqual(["01ADA", "01ADA"]);
  });

  it.each(["frozen", "disabled"] as const)("is nobody while %s", async (status) => {
    const ada = identity();
    const person = await link(ada);
    await t.ctx.db
      .update(users)
      .set({ status })
      .where(eq(users.id, person?.id ?? ""));
    expect(await link(ada)).toBe(undefined);
    expect((await findUser(t.ctx, person?.id ?? ""))?.status).toBe(status);
  });
});
