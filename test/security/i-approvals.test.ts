import { beforeAll, describe, expect, it } from "vitest";
import { standingPurpose } from "@/lib/http/act-form";
import { decisionPurpose } from "@/lib/http/decision";
import { findAgent } from "@/lib/services/agent-lookup";
import { createAgent } from "@/lib/services/agents";
import { findApproval } from "@/lib/services/approvals";
import { actsOf } from "@/test/support/acts";
import { basic, newBrowser, refusalOf, tokensOf } from "@/test/support/client";
import { twoInstances } from "@/test/support/context";
import { CROSS_SITE } from "@/test/support/cross-site";
import { unchanged } from "@/test/support/digest";
import { passkeysOf, type Visitor } from "@/test/support/passkeys";
import { operate, PUBLIC_ENV, type PublicServer, publicServer } from "@/test/support/public-server";

const SERVER = "https://auth.example.com";
const FORBIDDEN = { status: 403, error: "forbidden" };
const NOT_FOUND = { status: 404, error: "not_found" };

let s: PublicServer;
let a: ReturnType<typeof actsOf>;
let owner: Visitor;

beforeAll(async () => {
  s = await publicServer();
  a = actsOf(s);
  owner = await a.visit();
});

const asked = async (changes: Parameters<typeof a.ask>[1] = {}) => a.ask(await a.agentOf(owner), changes);
const statusOf = async (id: string) => (await findApproval(s.t.ctx, id))?.status;
const refused = async (send: () => Promise<Response>) => refusalOf(await unchanged(s.t, send));

describe("157: a post of another site", () => {
  it.each(CROSS_SITE)("%s answers nothing, signs nothing and allows nothing", async (_, headers) => {
    const { id } = await asked();
    const cookies = s.c.cookies(owner);
    const csrf = s.c.csrf(decisionPurpose(id), owner);
    const json = (path: string, body: unknown) => () => s.c.json(path, body, { ...cookies, ...headers });
    expect(await refused(json(`/approvals/${id}/decision`, { decision: "approve" }))).toEqual(FORBIDDEN);
    expect(await refused(json(`/approvals/${id}/options`, { digest: "x" }))).toEqual(FORBIDDEN);
    const form = () =>
      s.c.form(`/approve/${id}/decision`, { csrf, decision: "approve" }, { ...cookies, ...headers });
    expect((await unchanged(s.t, form)).status).toBe(403);
  });

  it("JSON as text/plain is refused even from our own origin", async () => {
    const { id } = await asked();
    const headers = { ...a.headers(owner), "content-type": "text/plain" };
    const send = () => s.c.json(`/approvals/${id}/decision`, { decision: "approve" }, headers);
    expect(await refused(send)).toEqual({ status: 415, error: "unsupported_media_type" });
  });
});

describe("158: the token of a form", () => {
  it("of another person, another question, another form or an old page is none", async () => {
    const old = await publicServer();
    const acts = actsOf(old);
    const eve = await acts.visit();
    const approval = await acts.ask(await acts.agentOf(eve));
    const mallory = await acts.visit();
    const stale = old.c.csrf(decisionPurpose(approval.id), eve);
    old.t.advance(200);
    const path = `/approve/${approval.id}/decision`;
    const send = (csrf: string) => () =>
      old.c.form(path, { csrf, decision: "approve" }, { ...old.c.cookies(eve), origin: SERVER });
    const others = [
      old.c.csrf(decisionPurpose(approval.id), mallory),
      old.c.csrf(decisionPurpose("another"), eve),
      old.c.csrf(standingPurpose(approval.id), eve),
      "",
    ];
    for (const csrf of others) expect((await unchanged(old.t, send(csrf))).status).toBe(403);
    old.t.advance(500);
    expect((await unchanged(old.t, send(stale))).status).toBe(403);
  });
});

describe("160: whoever asks does not answer", () => {
  const decide = (id: string, token: string) =>
    s.c.json(`/approvals/${id}/decision`, { decision: "approve" }, { authorization: `Bearer ${token}` });

  it("anonymous is 401", async () => {
    const { id } = await asked();
    const send = () => s.c.json(`/approvals/${id}/decision`, { decision: "approve" });
    expect(await refused(send)).toEqual({ status: 401, error: "invalid_token" });
  });

  it("an agent's own token is 403, whatever it may do", async () => {
    const { id } = await asked();
    const service = await s.createService({ scope: "approvals:decide" });
    const response = await s.c.form(
      "/token",
      { grant_type: "client_credentials", scope: "approvals:decide", resource: SERVER },
      basic(service),
    );
    const { access_token } = await tokensOf(response);
    expect(await refused(() => decide(id, access_token))).toEqual(FORBIDDEN);
    expect(await statusOf(id)).toBe("pending");
  });

  const personsToken = async (from: Visitor, scope = "approvals:decide") => {
    const app = await s.createApp({ scope: "approvals:decide account:read" });
    const { access_token: token } = await s.c.tokensFor(app, { scope, resource: SERVER }, from);
    return { app, token };
  };

  it("a person's own token with the scope answers, and one without it is 403", async () => {
    const { id } = await asked();
    const reader = await personsToken(owner, "account:read");
    expect(await refused(() => decide(id, reader.token))).toEqual({
      status: 403,
      error: "insufficient_scope",
    });
    const { token } = await personsToken(owner);
    const listed = await s.c.call("/approvals", { headers: { authorization: `Bearer ${token}` } });
    expect((await listed.json()).items.some((item: { id: string }) => item.id === id)).toBe(true);
    expect((await decide(id, token)).status).toBe(200);
    expect(await statusOf(id)).toBe("approved");
  });

  it("a person's token held by the client that asks is 403", async () => {
    const { app, token } = await personsToken(owner);
    const approval = await asked();
    const chain = [...approval.act.chain, { sub: `client:${app.clientId}`, name: "app", scope: [] }];
    const through = await asked({ act: { chain } });
    expect(await refused(() => decide(through.id, token))).toEqual(FORBIDDEN);
    expect((await decide(approval.id, token)).status).toBe(200);
  });

  it("a token of high risk's question is not enough: the passkey signs at the page", async () => {
    const p = passkeysOf(s.t, s.c);
    const ada = await p.visit();
    await p.enrol(ada);
    const approval = await a.ask(await a.agentOf(ada), { act: await a.resource({ risk: "high" }) });
    const { token } = await personsToken(ada);
    const headers = { authorization: `Bearer ${token}` };
    expect(await refused(() => decide(approval.id, token))).toEqual({
      status: 401,
      error: "insufficient_user_authentication",
    });
    const options = () => s.c.json(`/approvals/${approval.id}/options`, { digest: "x" }, headers);
    expect(await refused(options)).toEqual(FORBIDDEN);
  });

  it("an agent that descends from the one that asks holds no token that answers", async () => {
    const client = await a.agentOf(owner);
    const parent = await findAgent(s.t.ctx, client.clientId);
    const { id: userId } = owner.person.user;
    const manager = { actor: `user:${userId}`, userId, isOperator: false, address: "127.0.0.1" };
    const child = { name: "child", scope: [], parentId: parent?.id };
    const { agent, clientSecret } = await createAgent(s.t.ctx, child, manager);
    const response = await s.c.form(
      "/token",
      { grant_type: "client_credentials", resource: SERVER },
      basic({ clientId: agent.clientId, secret: String(clientSecret), redirectUri: "" }),
    );
    const { id } = await a.ask(client);
    const { access_token } = await tokensOf(response);
    expect(await refused(() => decide(id, access_token))).toEqual(FORBIDDEN);
    expect(await statusOf(id)).toBe("pending");
  });
});

describe("161: a question of somebody else", () => {
  it("is not there: not to see, not to sign, not to answer by form or JSON", async () => {
    const approval = await asked();
    const eve = await a.visit();
    expect(await refused(() => a.show(eve, approval))).toEqual(NOT_FOUND);
    expect(await refused(() => a.options(eve, approval, "x"))).toEqual(NOT_FOUND);
    expect(await refused(() => a.answer(eve, approval, { decision: "deny" }))).toEqual(NOT_FOUND);
    expect((await unchanged(s.t, () => a.press(eve, approval, { decision: "approve" }))).status).toBe(404);
    for (const query of ["", "?status=past"])
      expect((await (await a.list(eve, query)).json()).items).toEqual([]);
  });

  it("looks like one that never was", async () => {
    const [eve, approval] = [await a.visit(), await asked()];
    const there = await (await a.show(eve, approval)).json();
    const never = await (await a.show(eve, { id: "A".repeat(22) })).json();
    expect({ ...there, instance: undefined }).toEqual({ ...never, instance: undefined });
  });
});

describe("166: a sign-in of long ago", () => {
  it("does not say yes, to medium risk after half an hour and to high after five minutes; it says no", async () => {
    const old = await publicServer({ env: { AUTHGENT_HITL_TIMEOUT: "3600" } });
    const acts = actsOf(old);
    const eve = await acts.visit();
    const client = await acts.agentOf(eve);
    const medium = await acts.ask(client);
    const high = await acts.ask(client, { act: await acts.resource({ risk: "high" }) });
    const insufficient = { status: 401, error: "insufficient_user_authentication" };
    const yes = (approval: { id: string }) => () => acts.answer(eve, approval, { decision: "approve" });
    old.t.advance(301);
    expect(await refusalOf(await unchanged(old.t, yes(high)))).toEqual(insufficient);
    old.t.advance(1500);
    expect(await refusalOf(await unchanged(old.t, yes(medium)))).toEqual(insufficient);
    const pressed = await acts.press(eve, medium, { decision: "approve" });
    expect(pressed.headers.get("location")).toBe(
      `/login?continue=${encodeURIComponent(`/approve/${medium.id}`)}&again`,
    );
    expect((await acts.answer(eve, medium, { decision: "deny" })).status).toBe(200);
  });

  it("is no way around by another session's passkey signature", async () => {
    const p = passkeysOf(s.t, s.c);
    const ada = await p.visit();
    const passkey = await p.enrol(ada);
    const approval = await a.ask(await a.agentOf(ada), { act: await a.resource({ risk: "high" }) });
    const { digest_to_sign } = await (await a.show(ada, approval)).json();
    const credential = passkey.get(await (await a.options(ada, approval, digest_to_sign)).json());
    const elsewhere = {
      person: { ...ada.person, session: await s.c.signInAgain(ada.person.user) },
      browser: newBrowser(),
    };
    const send = () => a.answer(elsewhere, approval, { decision: "approve", credential });
    expect(await refused(send)).toEqual({ status: 400, error: "invalid_request" });
  });
});

describe("153, 154: what an agent chose to say", () => {
  it.each([
    ["markup", "<script>alert(1)</script>"],
    ["overrides of direction", "a‮b⁦c"],
    ["five thousand characters", "x".repeat(5000)],
    ["line breaks", "a\n\n\n\nb"],
  ])("%s is plain text in the reason that is shown", async (_, reason) => {
    const approval = await asked({ act: { said: { reason } } });
    const { shown } = await (await a.show(owner, approval)).json();
    expect(shown.said.reason.length).toBeLessThanOrEqual(2000);
    expect(shown.said.reason).not.toMatch(/[\p{Cc}‪-‮⁦-⁩]/u);
  });
});

describe("two instances of the server", () => {
  it("take one answer between them", async () => {
    const [one, two, close] = await twoInstances({ env: PUBLIC_ENV });
    const [here, there] = [actsOf(operate(one)), actsOf(operate(two))];
    const eve = await here.visit();
    const approval = await here.ask(await here.agentOf(eve));
    const answers = await Promise.all([
      here.answer(eve, approval, { decision: "approve" }),
      there.answer(eve, approval, { decision: "deny" }),
    ]);
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 409]);
    await close();
  });
});
