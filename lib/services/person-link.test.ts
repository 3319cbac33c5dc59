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
  email: "ada@corp.example",
  emailVerified: true,
  name: "Ada",
  ...more,
});

describe("D19: the person behind a trusted issuer's identity", () => {
  it("is made known once, as a member, and stays who they are", async () => {
    const ada = identity();
    const first = await link(ada);
    expect(first).toMatchObject({ email: "ada@corp.example", name: "Ada", role: "member", status: "active" });
    const later = await link({ ...ada, email: "grace@corp.example", name: "Grace" });
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
    const ada = identity({ email });
    const linked = await link(ada);
    expect(linked).toMatchObject({ email, role: "member" });
    expect(linked?.id).not.toBe(local.id);
    expect((await link({ ...ada, issuer: "https://other.example" }))?.id).not.toBe(linked?.id);
  });

  it("is unknown where nobody is made known", async () => {
    expect(await link(identity(), NOBODY)).toBe(undefined);
  });

  it.each([
    ["of another domain", { email: "ada@evil.example" }],
    ["of a subdomain", { email: "ada@sub.corp.example" }],
    ["of a longer domain", { email: "ada@evil-corp.example" }],
    ["not verified", { emailVerified: false }],
    ["of which nobody says whether it is verified", { emailVerified: undefined }],
    ["missing", { email: undefined }],
  ])("does not come in with an e-mail that is %s", async (_what, change) => {
    expect(await link(identity(change), OURS)).toBe(undefined);
  });

  it("comes in with a verified e-mail of an allowed domain, in any case", async () => {
    expect((await link(identity({ email: "Ada@Corp.Example" }), OURS))?.email).toBe("Ada@Corp.Example");
  });

  it("goes by their subject where nothing else is known", async () => {
    const { issuer, sub } = identity();
    expect(await link({ issuer, sub })).toMatchObject({ email: "", name: sub });
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
