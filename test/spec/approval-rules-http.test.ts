import { and, eq } from "drizzle-orm";
import { beforeAll, describe, expect, it } from "vitest";
import { events } from "@/db/schema/events";
import { needsApproval, rulingOf } from "@/lib/services/approval-rules";
import { refusalOf } from "@/test/support/client";
import { unique } from "@/test/support/context";
import { type PublicServer, publicServer } from "@/test/support/public-server";

let s: PublicServer;

beforeAll(async () => {
  s = await publicServer();
});

const scopeOf = (rule: Record<string, unknown>) => ({ name: "act", description: "Do it", ...rule });
const create = (rule: Record<string, unknown>, more: Record<string, unknown> = {}) =>
  s.c.json(
    "/resources",
    { resource: `https://${unique("api")}.example/v1`, name: "An API", scopes: [scopeOf(rule)], ...more },
    s.operator,
  );
const person = async () => (await s.c.signIn()).user.id;

/** The fields that a refusal names. */
async function fieldsOf(response: Response): Promise<string[]> {
  const { errors = [] } = await response.json();
  return [
    response.status === 422 ? [] : [`${response.status}`],
    errors.map(({ field }: { field: string }) => field),
  ].flat();
}

describe("who approves, on the wire of /resources", () => {
  it("is kept and sent back as it came, of scopes and of types of details", async () => {
    const approvers = [await person(), "group:finance"];
    const rule = { approval: "required", approvers, quorum: 2, four_eyes: true };
    const type = {
      ...{ type: "payment", words: "Pay {amount}", risk: "high", ...rule },
      schema: { type: "object", properties: { amount: { type: "number" } }, required: ["amount"] },
    };
    const created = await create(rule, { authorization_details_types: [type] });
    const { resource, scopes, authorization_details_types: types } = await created.json();
    expect([scopes, types]).toEqual([[{ ...scopeOf(rule), risk: "medium" }], [type]]);
    const ruling = await rulingOf(s.t.ctx, {
      resource,
      scope: ["act"],
      authorizationDetails: [{ type: "payment", amount: 1 }],
    });
    expect(ruling).toEqual({
      ...{ risk: "high", scope: ["act"], types: ["payment"], quorum: 2, fourEyes: true },
      ...{ approverIds: [approvers[0]], approverGroups: ["finance"] },
    });
    expect(needsApproval(ruling)).toBe(true);
  });

  it("is replaced by a PATCH, which the next question is put under", async () => {
    const { id, resource } = await (await create({ approval: "required" })).json();
    await s.c.json(`/resources/${id}`, { scopes: [scopeOf({ quorum: 3 })] }, s.operator, "PATCH");
    const ruling = await rulingOf(s.t.ctx, { resource, scope: ["act"] });
    expect([ruling.quorum, needsApproval(ruling)]).toEqual([3, false]);
  });

  it.each<[string, Record<string, unknown>, string[]]>([
    ["another word than required", { approval: "maybe" }, ["scopes.0.approval"]],
    ["nobody", { approvers: [] }, ["scopes.0.approvers"]],
    ["a group without a name", { approvers: ["group:"] }, ["scopes.0.approvers.0"]],
    ["a group in capitals", { approvers: ["group:Finance"] }, ["scopes.0.approvers.0"]],
    ["somebody who is not there", { approvers: ["group:a", "nobody"] }, ["scopes.0.approvers.1"]],
    ["eleven people", { quorum: 11 }, ["scopes.0.quorum"]],
    ["no person", { quorum: 0 }, ["scopes.0.quorum"]],
  ])("%s is refused by the name of the field", async (_, rule, fields) => {
    expect(await fieldsOf(await create(rule))).toEqual(fields);
  });

  it("more yeses than people who are named are refused, unless a group is", async () => {
    const approvers = [await person(), await person()];
    expect(await fieldsOf(await create({ approvers, quorum: 3 }))).toEqual(["scopes.0.quorum"]);
    expect(await fieldsOf(await create({ approvers: [approvers[0], approvers[0]], quorum: 2 }))).toEqual([
      "scopes.0.quorum",
    ]);
    expect((await create({ approvers: [...approvers, "group:finance"], quorum: 3 })).status).toBe(201);
    expect((await create({ approvers, quorum: 2 })).status).toBe(201);
  });

  it("what only clients of the operator may be given stays so after a PATCH", async () => {
    const { items } = await (await s.c.call("/resources", { headers: s.operator })).json();
    const own = items.find(({ resource }: { resource: string }) => resource === "https://auth.example.com");
    const patched = await s.c.json(`/resources/${own.id}`, { scopes: own.scopes }, s.operator, "PATCH");
    expect(patched.status).toBe(200);
    const app = await s.createApp({ scope: "approvals:decide" });
    const asked = { scope: "approvals:decide", resource: "https://auth.example.com" };
    expect((await s.c.tokensFor(app, asked)).scope).toBe("approvals:decide");
    const stranger = await s.c.json("/register", {
      client_name: "Stranger",
      redirect_uris: ["http://127.0.0.1:7777/cb"],
      token_endpoint_auth_method: "none",
      scope: "approvals:decide",
    });
    const { client_id: clientId, redirect_uris: uris } = await stranger.json();
    const location = await s.c.answerTo(s.c.requestOf({ clientId, redirectUri: uris?.[0] ?? "" }, asked));
    expect(location.searchParams.get("error")).toBe("invalid_scope");
  });
});

describe("PATCH /users/{id}", () => {
  it("gives a person another role and groups, which is in the audit trail", async () => {
    const id = await person();
    const changes = { role: "approver", groups: ["finance", "ops.night"] };
    const response = await s.c.json(`/users/${id}`, changes, s.operator, "PATCH");
    expect(await response.json()).toMatchObject({ id, ...changes });
    const { items } = await (await s.c.call("/users", { headers: s.operator })).json();
    expect(items.find((user: { id: string }) => user.id === id)).toMatchObject(changes);
    const [event] = await s.t.ctx.db
      .select()
      .from(events)
      .where(and(eq(events.type, "user.updated"), eq(events.subject, `user:${id}`)));
    expect(event).toMatchObject({ actor: "operator", data: changes });
  });

  it("of a person who is not there is 404", async () => {
    const response = await s.c.json("/users/nobody", { role: "member" }, s.operator, "PATCH");
    expect(await refusalOf(response)).toEqual({ status: 404, error: "not_found" });
  });

  it.each<[string, Record<string, unknown>, string[]]>([
    ["nothing", {}, ["body"]],
    ["another e-mail", { role: "member", email: "x@example.com" }, ["body"]],
    ["a role that is none", { role: "owner" }, ["role"]],
    ["a group twice", { groups: ["a", "a"] }, ["groups"]],
    ["a group with a space", { groups: ["a b"] }, ["groups.0"]],
  ])("%s is refused by the name of the field", async (_, changes, fields) => {
    expect(await fieldsOf(await s.c.json(`/users/${await person()}`, changes, s.operator, "PATCH"))).toEqual(
      fields,
    );
  });

  it("an admin keeps their own role", async () => {
    const admin = await s.c.signIn("admin");
    const headers = { ...s.c.cookies({ person: admin }), origin: "https://auth.example.com" };
    const patch = (id: string, role: string) => s.c.json(`/users/${id}`, { role }, headers, "PATCH");
    expect(await refusalOf(await patch(admin.user.id, "member"))).toEqual({ status: 409, error: "conflict" });
    expect((await patch(await person(), "admin")).status).toBe(200);
  });

  it("POST /users takes groups, too", async () => {
    const body = { email: `${unique()}@example.com`, password: "a-long-password", groups: ["finance"] };
    const response = await s.c.json("/users", body, s.operator);
    expect(await response.json()).toMatchObject({ groups: ["finance"], role: "member" });
  });
});
