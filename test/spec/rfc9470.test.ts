import { beforeEach, describe, expect, it } from "vitest";
import { confirmation } from "@/lib/http/person-authentication";
import { digestShown } from "@/lib/services/signed-decisions";
import type { Authenticator } from "@/test/support/authenticator";
import { type App, approvalOf, type Connection, connect, type Person } from "@/test/support/client";
import { type TestContext, testContext } from "@/test/support/context";
import { passkeysOf, type Visitor } from "@/test/support/passkeys";

const PHR = "phr";

let t: TestContext;
let c: Connection;
let p: ReturnType<typeof passkeysOf>;
let app: App;
let ada: Visitor;

beforeEach(async () => {
  t = await testContext();
  c = connect(t);
  p = passkeysOf(t, c);
  app = await c.registerPublic();
  ada = await p.visit();
});

const ask = (params: Record<string, string>, from: Visitor = ada) =>
  c.authorize(c.requestOf(app, params), from);

function whereTo(response: Response): string {
  const location = response.headers.get("location") ?? "";
  if (!location.startsWith("/")) return new URL(location).searchParams.get("error") ?? location;
  return location.split("/").slice(0, 2).join("/").split("?")[0] ?? "";
}

const json = (path: string, body: unknown, from: Visitor) =>
  c.json(path, body, { ...c.cookies(from), origin: p.origin });

/** Confirms by passkey as the page does; the person's session starts anew. */
async function confirm(from: Visitor, authenticator: Authenticator): Promise<Visitor> {
  const digest = digestShown(t.ctx, { by: await p.signedIn(from) }, confirmation);
  const options = await (await json("/confirm/options", { digest }, from)).json();
  const response = await json("/confirm/passkey", { credential: authenticator.get(options) }, from);
  expect(response.status).toBe(200);
  const session = /=([^;]+)/.exec(response.headers.get("set-cookie") ?? "")?.[1] ?? "";
  const person: Person = { ...from.person, session };
  return { ...from, person };
}

describe("RFC 9470 OAuth 2.0 Step Up Authentication Challenge", () => {
  it("§7: the metadata tells what can be asked for", async () => {
    const metadata = await (await c.call("/.well-known/oauth-authorization-server")).json();
    expect(metadata.acr_values_supported).toEqual([PHR, "urn:authgent:acr:sign-in"]);
  });

  it("§5: what this server cannot do is unmet_authentication_requirements, also where nobody is signed in", async () => {
    const response = await c.authorize(c.requestOf(app, { acr_values: "urn:example:loa:9" }), {});
    expect(whereTo(response)).toBe("unmet_authentication_requirements");
  });

  it("§5: what this person cannot do is the same", async () => {
    expect(whereTo(await ask({ acr_values: PHR }))).toBe("unmet_authentication_requirements");
  });

  it("§5: prompt=none does not go around it", async () => {
    await p.enrol(ada);
    expect(whereTo(await ask({ acr_values: PHR, prompt: "none" }))).toBe("login_required");
  });

  it("§5, §6: a passkey is asked for, and the token then tells of it, when it is shown and when it is looked at", async () => {
    const authenticator = await p.enrol(ada);
    t.advance(60);
    const asked = await ask({ acr_values: `${PHR} urn:example:loa:9` });
    expect(whereTo(asked)).toBe("/confirm");
    const confirmed = await confirm(ada, authenticator);
    const { access_token } = await c.tokensFor(app, { acr_values: PHR }, confirmed);
    const token = await c.introspect(access_token);
    expect([token.acr, token.amr]).toEqual([PHR, ["pwd", "pop", "user"]]);
    expect(token.auth_time).toBe(Math.floor(t.ctx.now().getTime() / 1000));
  });

  it("§5: the page of the question is no way around the passkey", async () => {
    const authenticator = await p.enrol(ada);
    const confirmed = await confirm(ada, authenticator);
    const id = approvalOf(await ask({ acr_values: PHR }, confirmed));
    const weaker = {
      person: { ...ada.person, session: await c.signInAgain(ada.person.user) },
      browser: ada.browser,
    };
    const answer = await c.post(`/approve/${id}/decision`, `decide ${id}`, { decision: "allow" }, weaker);
    expect(answer.headers.get("location")).toBe(
      `/confirm?continue=${encodeURIComponent(`/authorize/${id}`)}`,
    );
  });

  it("§3: nor is an answer as JSON, which is told what the app asked for", async () => {
    const authenticator = await p.enrol(ada);
    const confirmed = await confirm(ada, authenticator);
    const id = approvalOf(await ask({ acr_values: PHR, max_age: "60" }, confirmed));
    const session = await c.signInAgain(ada.person.user);
    const weaker = { ...ada, person: { ...ada.person, session } };
    const answer = await json(`/approvals/${id}/decision`, { decision: "allow" }, weaker);
    expect([answer.status, answer.headers.get("www-authenticate")]).toEqual([
      401,
      'Bearer error="insufficient_user_authentication", error_description="Open the page of the question: its app wants another sign-in.", acr_values="phr", max_age="60"',
    ]);
    expect(await answer.json()).toMatchObject({ acr_values: PHR, max_age: 60 });
  });

  it("a confirmation ends the session before it (security case 168)", async () => {
    const authenticator = await p.enrol(ada);
    await confirm(ada, authenticator);
    await expect(p.signedIn(ada)).rejects.toThrow("the session has ended");
  });

  it("a signature for something else confirms nothing", async () => {
    const authenticator = await p.enrol(ada);
    const options = await p.requestOptions(ada, authenticator);
    const response = await json("/confirm/passkey", { credential: authenticator.get(options) }, ada);
    expect(response.status).toBe(400);
    expect((await p.signedIn(ada)).session.amr).toEqual(["pwd"]);
  });
});
