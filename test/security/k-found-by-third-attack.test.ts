import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { GRANT_TYPES, TOKEN_TYPES } from "@/lib/oauth/token-types";
import { type Attested, attestedBy, type Instance } from "@/test/support/attested";
import { type App, newBrowser, refusalOf, tokensOf } from "@/test/support/client";
import { unchanged } from "@/test/support/digest";
import { keyHolder } from "@/test/support/dpop";
import { type PublicServer, publicServer } from "@/test/support/public-server";
import { type Partner, partner } from "@/test/support/trusted-assertions";

const LOOPBACK = "http://127.0.0.1:33418/callback";

let s: PublicServer;
beforeAll(async () => {
  s = await publicServer();
});

describe("a refresh token of one instance of a client", () => {
  let attester: Partner;
  let a: Attested;
  let app: App;
  let resource: string;
  let own: Instance;
  let other: Instance;
  let refreshToken: string;

  beforeAll(async () => {
    attester = await partner(s, ["client_auth"]);
    a = attestedBy(s, attester);
    resource = await s.createResource(["read"]);
    app = await s.createApp({
      token_endpoint_auth_method: "attest_jwt_client_auth",
      grant_types: ["authorization_code", "refresh_token", GRANT_TYPES.tokenExchange],
    });
    [own, other] = [await a.newInstance(), await a.newInstance()];
    const { code, verifier } = await s.c.codeFor(app, { resource });
    const fields = { grant_type: "authorization_code", code, code_verifier: verifier };
    const redeemed = await s.c.form("/token", fields, await a.headersOf(app, own));
    refreshToken = (await tokensOf(redeemed)).refresh_token;
  });
  afterAll(() => attester.close());

  const exchange = async (instance: Instance, more = {}) => {
    const subject = { subject_token: refreshToken, subject_token_type: TOKEN_TYPES.refreshToken };
    const fields = { grant_type: GRANT_TYPES.tokenExchange, ...subject, ...more };
    return s.c.form("/token", fields, await a.headersOf(app, instance));
  };
  const check = async (instance: Instance) => {
    const asked = { subject_token: refreshToken, subject_token_type: TOKEN_TYPES.refreshToken };
    const headers = await a.headersOf(app, instance);
    return (await s.c.json("/token/check", { ...asked, client_id: app.clientId }, headers)).json();
  };

  it.each([
    ["a token", {}],
    ["an ID-JAG", { requested_token_type: TOKEN_TYPES.idJag, audience: "https://other.example" }],
  ])("is exchanged by no other instance, for %s", async (_, more) => {
    expect(await refusalOf(await exchange(other, more))).toEqual({
      status: 400,
      error: "invalid_request",
    });
  });

  it("is exchanged by its own, and a check says which", async () => {
    expect((await exchange(own)).status).toBe(200);
    expect([(await check(own)).allowed, (await check(other)).allowed]).toEqual([true, false]);
  });
});

describe("what the token of a registration is no key to (RFC 7592)", () => {
  type Registered = { client_id: string; registration_access_token: string };

  const register = async (metadata: object, headers = {}): Promise<Registered> => {
    const response = await s.c.json("/register", { redirect_uris: [LOOPBACK], ...metadata }, headers);
    expect(response.status).toBe(201);
    return response.json();
  };
  const replace = ({ client_id, registration_access_token: token }: Registered, metadata: object) =>
    s.c.json(
      `/register/${client_id}`,
      { client_id, redirect_uris: [LOOPBACK], ...metadata },
      { authorization: `Bearer ${token}` },
      "PUT",
    );

  it("a refresh token that is bound to the key of a public client", async () => {
    const registered = await register({ token_endpoint_auth_method: "none" });
    const app: App = { clientId: registered.client_id, redirectUri: LOOPBACK };
    const [holder, thief] = [await keyHolder(s), await keyHolder(s)];
    const { refresh_token } = await holder.tokensFor(app);
    const replaced = await replace(registered, { token_endpoint_auth_method: "client_secret_basic" });
    const { client_secret: secret } = await replaced.json();
    expect(await refusalOf(await thief.refresh({ ...app, secret }, refresh_token))).toEqual({
      status: 400,
      error: "invalid_grant",
    });
  });

  it("another workload than an operator said", async () => {
    const metadata = (spiffe_id: string) => ({ token_endpoint_auth_method: "spiffe_jwt", spiffe_id });
    const plain = await register({}, s.operator);
    const workload = await register(metadata("spiffe://prod.example/a"), s.operator);
    for (const registered of [plain, workload]) {
      const answer = await unchanged(s.t, () => replace(registered, metadata("spiffe://prod.example/b")));
      expect(await refusalOf(answer)).toEqual({ status: 400, error: "invalid_client_metadata" });
    }
    expect((await replace(workload, metadata("spiffe://prod.example/a"))).status).toBe(200);
  });
});

describe("details beside a sign-in", () => {
  it("bring along nothing that was allowed before (RFC 9396 §3.1)", async () => {
    const type = { type: "note", words: "Write one note", schema: { type: "object", properties: {} } };
    const resource = await s.createResource(["read", "write"], { authorization_details_types: [type] });
    const app = await s.createApp();
    const by = { person: await s.c.signIn(), browser: newBrowser() };
    expect((await s.c.tokensFor(app, { resource, scope: "read write" }, by)).scope).toBe("read write");
    const details = { resource, authorization_details: JSON.stringify([{ type: "note" }]) };
    const scopes = [];
    for (const scope of [undefined, "openid", "openid email"])
      scopes.push((await s.c.tokensFor(app, { ...details, scope }, by)).scope);
    expect(scopes).toEqual(["", "openid", "openid email"]);
  });
});
