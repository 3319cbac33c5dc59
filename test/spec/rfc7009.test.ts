import { beforeAll, describe, expect, it } from "vitest";
import { type App, type Connection, connect, refusalOf } from "@/test/support/client";
import { testContext } from "@/test/support/context";

let c: Connection;
let app: App;

beforeAll(async () => {
  c = connect(await testContext());
  app = await c.registerPublic();
});

const revoke = (token: string, fields: Record<string, string> = {}, client = app) =>
  c.form("/revoke", { client_id: client.clientId, token, ...fields });

describe("RFC 7009 Token Revocation", () => {
  it("§2.1: a revoked refresh token takes its access tokens with it", async () => {
    const { access_token, refresh_token } = await c.tokensFor(app);
    const response = await revoke(refresh_token);
    expect([response.status, await response.text()]).toEqual([200, ""]);
    expect(await c.introspect(access_token)).toEqual({ active: false });
    expect(await refusalOf(await c.refresh(app, refresh_token))).toEqual({
      status: 400,
      error: "invalid_grant",
    });
  });

  it("§2.1: a revoked access token leaves the refresh token alone", async () => {
    const { access_token, refresh_token } = await c.tokensFor(app);
    expect((await revoke(access_token)).status).toBe(200);
    expect(await c.introspect(access_token)).toEqual({ active: false });
    expect((await c.refresh(app, refresh_token)).status).toBe(200);
  });

  it("§2.1: an older refresh token of a family revokes the whole family", async () => {
    const { refresh_token: first } = await c.tokensFor(app);
    const { access_token, refresh_token: second } = await (await c.refresh(app, first)).json();
    expect((await revoke(first)).status).toBe(200);
    expect(await c.introspect(access_token)).toEqual({ active: false });
    expect((await c.refresh(app, second)).status).toBe(400);
  });

  it.each(["refresh_token", "access_token", "no_such_type"])(
    "§2.1: the hint %s decides nothing",
    async (token_type_hint) => {
      const { access_token, refresh_token } = await c.tokensFor(app);
      expect((await revoke(access_token, { token_type_hint })).status).toBe(200);
      expect(await c.introspect(access_token)).toEqual({ active: false });
      expect((await revoke(refresh_token, { token_type_hint })).status).toBe(200);
      expect((await c.refresh(app, refresh_token)).status).toBe(400);
    },
  );

  it("§2.2: unknown tokens and those already revoked are 200", async () => {
    const { access_token } = await c.tokensFor(app);
    for (const token of ["nonsense", "rt_unknown", "a.b.c", access_token, access_token]) {
      expect((await revoke(token)).status).toBe(200);
    }
  });

  it("§2.1: another client's tokens stay as they are", async () => {
    const stranger = await c.registerPublic();
    const { access_token, refresh_token } = await c.tokensFor(app);
    expect((await revoke(access_token, {}, stranger)).status).toBe(200);
    expect((await revoke(refresh_token, {}, stranger)).status).toBe(200);
    expect((await c.introspect(access_token)).active).toBe(true);
    expect((await c.refresh(app, refresh_token)).status).toBe(200);
  });

  it("§2.1: a confidential client has to prove itself", async () => {
    const confidential = await c.registerConfidential();
    const { access_token } = await c.tokensFor(confidential);
    expect(await refusalOf(await revoke(access_token, {}, confidential))).toEqual({
      status: 401,
      error: "invalid_client",
    });
    expect((await c.introspect(access_token)).active).toBe(true);
  });

  it("§2.1: a request without a token is invalid_request", async () => {
    expect(await refusalOf(await c.form("/revoke", { client_id: app.clientId }))).toEqual({
      status: 400,
      error: "invalid_request",
    });
  });

  it("§2: GET revokes nothing", async () => {
    const { access_token } = await c.tokensFor(app);
    expect((await c.call(`/revoke?client_id=${app.clientId}&token=${access_token}`)).status).toBe(405);
    expect((await c.introspect(access_token)).active).toBe(true);
  });
});
