import { desc, eq } from "drizzle-orm";
import { beforeAll, describe, expect, it } from "vitest";
import { events } from "@/db/schema/events";
import { findTrustedIssuer } from "@/lib/services/trusted-issuers";
import type { App } from "@/test/support/client";
import { type TestContext, twoInstances, unique } from "@/test/support/context";
import { PUBLIC_ENV, type PublicServer, publicServer } from "@/test/support/public-server";

const ORIGIN = "https://auth.example.com";

let s: PublicServer;
let agent: App;

beforeAll(async () => {
  s = await publicServer({ env: { AUTHGENT_TRUSTED_OIDC_ISSUERS: "https://settings.example" } });
  agent = await s.createService();
});

const newIssuer = (more: Record<string, unknown> = {}) => ({
  issuer: `https://${unique()}.example`,
  name: "Okta",
  purposes: ["id_jag"],
  ...more,
});

const create = (body: unknown) => s.c.json("/trusted-issuers", body, s.operator);
const change = (id: string, body: unknown) => s.c.json(`/trusted-issuers/${id}`, body, s.operator, "PATCH");
const remove = (id: string) => s.c.call(`/trusted-issuers/${id}`, { method: "DELETE", headers: s.operator });
const list = async () => (await s.c.call("/trusted-issuers", { headers: s.operator })).json();

async function created(more: Record<string, unknown> = {}) {
  const response = await create(newIssuer(more));
  expect(response.status).toBe(201);
  return response.json();
}

async function fieldsOf(response: Response): Promise<unknown[]> {
  expect(response.status).toBe(422);
  const { errors } = await response.json();
  return errors.map(({ field }: { field: string }) => field);
}

async function lastEvent(issuer: string) {
  const [event] = await s.t.ctx.db
    .select({ type: events.type, actor: events.actor, data: events.data })
    .from(events)
    .where(eq(events.subject, `issuer:${issuer}`))
    .orderBy(desc(events.id))
    .limit(1);
  return event;
}

describe("POST /trusted-issuers", () => {
  it("trusts an issuer: 201, it is listed, and the trail tells of it", async () => {
    const body = newIssuer({
      purposes: ["id_jag", "workload"],
      jwks_uri: "https://keys.example/jwks",
      audiences: ["their-client"],
      scope: "notes:read notes:write",
      people: { create: true, allowed_domains: ["Corp.example"] },
      workloads: [{ claims: { sub: "repo:acme/*" }, client_id: agent.clientId }],
    });
    const response = await create(body);
    expect(response.status).toBe(201);
    expect(response.headers.get("location")).toBe(`${ORIGIN}/trusted-issuers`);
    const answer = await response.json();
    const { id, created_at, updated_at, ...rest } = answer;
    expect(id).toMatch(/^[0-9A-HJKMNP-TV-Z]{26}$/);
    expect([created_at, updated_at]).toEqual(Array(2).fill(s.t.ctx.now().toISOString()));
    expect(rest).toEqual({
      ...body,
      people: { create: true, allowed_domains: ["corp.example"] },
      workloads: [{ claims: { sub: "repo:acme/*" }, client_id: agent.clientId, reusable: false }],
      status: "active",
    });
    expect((await list()).items).toContainEqual(answer);
    expect(await lastEvent(body.issuer)).toMatchObject({
      type: "trusted_issuer.created",
      actor: "operator",
      data: { purposes: ["id_jag", "workload"], status: "active" },
    });
  });

  it("says little: nobody is made known, nothing is mapped, the client's own scope is the limit", async () => {
    expect(await created()).toMatchObject({
      jwks_uri: null,
      audiences: [],
      scope: null,
      people: { create: false, allowed_domains: [] },
      workloads: [],
      status: "active",
    });
  });

  it("no scope at all is not the same as no limit", async () => {
    expect((await created({ scope: "" })).scope).toBe("");
  });

  it.each(["http://127.0.0.1:4000", "http://localhost:4000/realms/a", "https://id.example/tenant/"])(
    "%s can be trusted",
    async (issuer) => {
      expect((await created({ issuer })).issuer).toBe(issuer);
    },
  );

  it("a SPIFFE trust domain can be trusted with the address of its keys, for workloads only", async () => {
    const domain = {
      issuer: `spiffe://${unique()}.example`,
      purposes: ["workload"],
      jwks_uri: "https://keys.internal/bundle",
    };
    expect((await created(domain)).issuer).toBe(domain.issuer);
    expect(await fieldsOf(await create(newIssuer({ ...domain, jwks_uri: null })))).toEqual(["jwks_uri"]);
    expect(await fieldsOf(await create(newIssuer({ ...domain, purposes: ["workload", "id_jag"] })))).toEqual([
      "purposes",
    ]);
  });

  it("attestations have a type of their own: an issuer of anything else may be a client attester, too", async () => {
    for (const purpose of ["id_token", "id_jag", "chaining", "workload"]) {
      const purposes = [purpose, "client_auth"];
      expect((await created({ purposes })).purposes).toEqual(purposes);
    }
  });

  it("the same issuer again is 409; of ten at once exactly one is made", async () => {
    const body = newIssuer();
    const answers = await Promise.all(Array.from({ length: 10 }, () => create(body)));
    expect(answers.map(({ status }) => status).sort()).toEqual([201, ...Array(9).fill(409)]);
  });

  it.each([
    ["no issuer", { issuer: undefined }, ["issuer"]],
    ["an issuer that is no URL", { issuer: "okta" }, ["issuer"]],
    ["an issuer without TLS", { issuer: "http://id.example" }, ["issuer"]],
    ["an issuer with a line break", { issuer: "https://id.example/\n" }, ["issuer"]],
    ["an issuer with a query", { issuer: "https://id.example/?tenant=a" }, ["issuer"]],
    ["an issuer with a fragment", { issuer: "https://id.example/#a" }, ["issuer"]],
    ["an issuer with a host in upper case", { issuer: "https://Id.example" }, ["issuer"]],
    ["an issuer with a scheme in upper case", { issuer: "HTTPS://id.example" }, ["issuer"]],
    ["an issuer with half a character", { issuer: "https://id.example/\ud800" }, ["issuer"]],
    ["an issuer with a password", { issuer: "https://a:b@id.example" }, ["issuer"]],
    [
      "a SPIFFE ID for a trust domain",
      { issuer: "spiffe://td.example/a", purposes: ["workload"], jwks_uri: "https://k.example" },
      ["issuer"],
    ],
    ["ourselves", { issuer: ORIGIN }, ["issuer"]],
    ["ourselves with a slash", { issuer: `${ORIGIN}/` }, ["issuer"]],
    ["an empty name", { name: " " }, ["name"]],
    ["no purpose", { purposes: [] }, ["purposes"]],
    ["a purpose we do not know", { purposes: ["saml"] }, ["purposes.0"]],
    ["a purpose twice", { purposes: ["id_jag", "id_jag"] }, ["purposes"]],
    ["chaining and workloads", { purposes: ["chaining", "workload"] }, ["purposes"]],
    ["ID tokens and workloads", { purposes: ["id_token", "workload"] }, ["purposes"]],
    ["ID tokens and chaining", { purposes: ["chaining", "id_token"] }, ["purposes"]],
    ["an audience with half a character", { audiences: ["\ud800"] }, ["audiences.0"]],
    [
      "a rule with half a character",
      { workloads: [{ claims: { sub: "a\ud800" }, client_id: "app_1" }] },
      ["workloads.0.claims.sub"],
    ],
    [
      "a rule for a client with half a character",
      { workloads: [{ claims: { sub: "repo:acme/web" }, client_id: "\udfff" }] },
      ["workloads.0.client_id"],
    ],
    ["keys without TLS", { jwks_uri: "http://id.example/jwks" }, ["jwks_uri"]],
    ["keys that are no URL", { jwks_uri: "jwks" }, ["jwks_uri"]],
    ["a scope with quotes", { scope: 'a "b"' }, ["scope"]],
    [
      "people of no domain",
      { people: { create: true, allowed_domains: ["@"] } },
      ["people.allowed_domains.0"],
    ],
    ["people without a word on new ones", { people: {} }, ["people.create"]],
    ["an unknown member", { color: "red" }, ["body"]],
    ["a status we do not know", { status: "frozen" }, ["status"]],
  ])("%s is 422 with the field named", async (_what, more, fields) => {
    expect(await fieldsOf(await create(newIssuer(more)))).toEqual(fields);
  });

  it.each([
    [{}],
    [{ iss: "https://id.example", aud: ORIGIN }],
    [{ sub: "*" }],
    [{ sub: "repo:*" }],
    [{ repository_owner: "acme" }],
  ])("a workload rule that everybody meets is 422: %j", async (claims) => {
    const workloads = [
      { claims: { sub: "repo:acme/web" }, client_id: agent.clientId },
      { claims, client_id: agent.clientId },
    ];
    expect(await fieldsOf(await create(newIssuer({ workloads })))).toEqual(["workloads.1.claims"]);
  });

  it.each([
    "https://accounts.google.com",
    "https://login.microsoftonline.com/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0",
    "https://login.microsoftonline.com/common/v2.0",
    "https://gitlab.com",
  ])(
    "D19: %s, where anyone can open an account, lets nobody in without a list of domains",
    async (issuer) => {
      const open = { create: true, allowed_domains: [] };
      expect(await fieldsOf(await create(newIssuer({ issuer, people: open })))).toEqual([
        "people.allowed_domains",
      ]);
      const { id } = await created({ issuer, people: { create: true, allowed_domains: ["corp.example"] } });
      expect(await fieldsOf(await change(id, { people: open }))).toEqual(["people.allowed_domains"]);
      expect((await change(id, { people: { create: false } })).status).toBe(200);
      await remove(id);
    },
  );

  it("a workload rule for a client nobody registered is 422", async () => {
    const workloads = [{ claims: { sub: "repo:acme/web" }, client_id: "app_nobody" }];
    expect(await fieldsOf(await create(newIssuer({ workloads })))).toEqual(["workloads.0.client_id"]);
    const { id } = await created();
    expect(await fieldsOf(await change(id, { workloads }))).toEqual(["workloads.0.client_id"]);
  });
});

describe("PATCH and DELETE /trusted-issuers/{id}", () => {
  it("changes what is named and nothing else, and the trail tells of it", async () => {
    const before = await created({ scope: "notes:read", jwks_uri: "https://keys.example/jwks" });
    s.t.advance(5);
    const response = await change(before.id, { status: "disabled", scope: null, jwks_uri: null });
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({
      ...before,
      status: "disabled",
      scope: null,
      jwks_uri: null,
      updated_at: s.t.ctx.now().toISOString(),
    });
    expect(await lastEvent(before.issuer)).toMatchObject({
      type: "trusted_issuer.updated",
      data: { status: "disabled", scope: null },
    });
  });

  it("counts at once here, and within a second on the other instance", async () => {
    const [, two, close] = await twoInstances({ env: PUBLIC_ENV });
    const { id, issuer } = await created();
    const status = async ({ ctx }: TestContext) => (await findTrustedIssuer(ctx, issuer))?.status;
    expect([await status(s.t), await status(two)]).toEqual(["active", "active"]);
    await change(id, { status: "disabled" });
    expect(await status(s.t)).toBe("disabled");
    two.advance(1);
    expect(await status(two)).toBe("disabled");
    await close();
  });

  it("the terms before and after have to make sense together", async () => {
    const spiffe = await created({
      issuer: `spiffe://${unique()}.example`,
      purposes: ["workload"],
      jwks_uri: "https://keys.internal/bundle",
    });
    expect(await fieldsOf(await change(spiffe.id, { jwks_uri: null }))).toEqual(["jwks_uri"]);
    expect(await fieldsOf(await change(spiffe.id, { purposes: ["id_token"] }))).toEqual(["purposes"]);
    expect((await list()).items).toContainEqual(spiffe);
  });

  it("the issuer's name stays, and a change has to name something", async () => {
    const { id } = await created();
    expect(await fieldsOf(await change(id, { name: "Other", issuer: "https://other.example" }))).toEqual([
      "body",
    ]);
    expect(await fieldsOf(await change(id, {}))).toEqual(["body"]);
  });

  it("DELETE is 204, and the issuer is trusted no more", async () => {
    const { id, issuer } = await created();
    expect((await findTrustedIssuer(s.t.ctx, issuer))?.id).toBe(id);
    s.t.advance(1);
    const response = await remove(id);
    expect([response.status, await response.text()]).toEqual([204, ""]);
    expect(await findTrustedIssuer(s.t.ctx, issuer)).toBe(undefined);
    expect((await lastEvent(issuer))?.type).toBe("trusted_issuer.removed");
    expect((await remove(id)).status).toBe(404);
    expect((await change(id, { name: "Again" })).status).toBe(404);
  });
});

describe("GET /trusted-issuers", () => {
  it("also names the issuers of the settings, until a registration takes their place", async () => {
    const named = async () =>
      (await list()).items
        .filter(({ issuer }: { issuer: string }) => issuer === "https://settings.example")
        .map(({ id, purposes }: { id: string | null; purposes: string[] }) => [id, purposes]);
    expect(await named()).toEqual([[null, ["id_token"]]]);
    const { id } = await created({ issuer: "https://settings.example" });
    expect(await named()).toEqual([[id, ["id_jag"]]]);
    await remove(id);
    expect(await named()).toEqual([[null, ["id_token"]]]);
  });

  it("a registration under the other spelling takes their place too, at once", async () => {
    const named = "https://settings.example";
    const purposes = async (issuer: string) => (await findTrustedIssuer(s.t.ctx, issuer))?.purposes;
    expect([await purposes(named), await purposes(`${named}/`)]).toEqual([["id_token"], ["id_token"]]);
    const { id } = await created({ issuer: `${named}/` });
    expect([await purposes(named), await purposes(`${named}/`)]).toEqual([undefined, ["id_jag"]]);
    expect((await list()).items.filter(({ id }: { id: string | null }) => id === null)).toEqual([]);
    await remove(id);
    expect(await purposes(named)).toEqual(["id_token"]);
  });

  it("what the settings say is not changed here", async () => {
    expect((await change("settings", { status: "disabled" })).status).toBe(404);
    expect((await remove("settings")).status).toBe(404);
  });
});
