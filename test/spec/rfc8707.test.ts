import { decodeJwt } from "jose";
import { beforeAll, describe, expect, it } from "vitest";
import {
  ADMIN_KEY,
  type App,
  type Connection,
  connect,
  publicServer,
  refusalOf,
  tokensOf,
} from "@/test/support/client";
import { type TestContext, testContext, unique } from "@/test/support/context";

let t: TestContext;
let c: Connection;
let app: App;

beforeAll(async () => {
  const env = { ...publicServer, AUTHGENT_REGISTER_RATE_LIMIT: "1000", AUTHGENT_TOKEN_RATE_LIMIT: "10000" };
  t = await testContext({ env });
  c = connect(t);
  app = await c.registerPublic();
});

const errorOf = async (params: Record<string, string | string[]>, client = app) =>
  (await c.answerFor(client, params)).searchParams.get("error");

/** `aud` of what a client gets for a resource, sent in both requests as clients do. */
async function audienceFor(resource: string): Promise<unknown> {
  const code = await c.codeFor(app, { resource });
  const { access_token } = await tokensOf(await c.redeem(app, code, { resource }));
  return decodeJwt(access_token).aud;
}

describe("RFC 8707 Resource Indicators", () => {
  it("§2: the token is for the resource that was asked for, as a single string", async () => {
    const resource = await c.protect(`https://${unique()}.example/mcp`, { scopes: ["a:read"] });
    expect(await audienceFor(resource)).toBe(resource);
  });

  it.each([
    ["a fragment", "https://api.example/mcp#x"],
    ["no scheme", "api.example/mcp"],
    ["another scheme", "urn:example:api"],
    ["a user name", "https://ada@api.example/mcp"],
  ])("§2: a resource with %s is invalid_target", async (_what, resource) => {
    expect(await errorOf({ resource })).toBe("invalid_target");
  });

  it("§2: a resource nobody registered is invalid_target, and those known are named", async () => {
    const location = await c.answerFor(app, { resource: "https://unknown.example/mcp" });
    expect(location.searchParams.get("error")).toBe("invalid_target");
    expect(location.searchParams.get("error_description")).toMatch(
      /^This server does not protect https:\/\/unknown\.example\/mcp\. It knows: (https?:\/\/[^, ]+, ){1,9}https?:\/\/[^, ]+\.$/,
    );
  });

  it("§2: the same resource twice is one, two are refused", async () => {
    const resource = await c.protect(`https://${unique()}.example/mcp`, { scopes: ["a:read"] });
    const other = await c.protect(`https://${unique()}.example/mcp`, { scopes: ["a:read"] });
    expect(await errorOf({ resource: [resource, resource] })).toBe(null);
    expect(await errorOf({ resource: [resource, other] })).toBe("invalid_target");
  });

  it("§2.2: a token request for another resource is invalid_target, and the code lives (Q27)", async () => {
    const resource = await c.protect(`https://${unique()}.example/mcp`, { scopes: ["a:read"] });
    const other = await c.protect(`https://${unique()}.example/mcp`, { scopes: ["a:read"] });
    const code = await c.codeFor(app, { resource });
    expect(await refusalOf(await c.redeem(app, code, { resource: other }))).toEqual({
      status: 400,
      error: "invalid_target",
    });
    expect((await c.redeem(app, code, { resource })).status).toBe(200);
  });

  it("§2.2: a client may leave it out of the token request", async () => {
    const resource = await c.protect(`https://${unique()}.example/mcp`, { scopes: ["a:read"] });
    const { access_token } = await c.tokensFor(app, { resource });
    expect(decodeJwt(access_token).aud).toBe(resource);
  });
});

describe("RFC 8707: what clients send (client quirks Q25 to Q27)", () => {
  it("Q25: a lone slash after the host means nothing; the registered spelling is the audience", async () => {
    const bare = await c.protect(`https://${unique()}.example`, { scopes: ["a:read"] });
    const slashed = await c.protect(`https://${unique()}.example/`, { scopes: ["a:read"] });
    expect(await audienceFor(`${bare}/`)).toBe(bare);
    expect(await audienceFor(slashed.slice(0, -1))).toBe(slashed);
  });

  it("Q25: a slash after a path is another resource, unless an alias says otherwise", async () => {
    const plain = await c.protect(`https://${unique()}.example/mcp`, { scopes: ["a:read"] });
    expect(await errorOf({ resource: `${plain}/` })).toBe("invalid_target");
    const host = `https://${unique()}.example`;
    await c.protect(`${host}/mcp`, { scopes: ["a:read"], aliases: [`${host}/mcp/`] });
    expect(await audienceFor(`${host}/mcp/`)).toBe(`${host}/mcp`);
  });

  it("Q25: scheme and host are compared in any case, the path is not", async () => {
    const name = unique();
    const resource = await c.protect(`https://${name}.example/mcp`, { scopes: ["a:read"] });
    expect(await audienceFor(`HTTPS://${name.toUpperCase()}.EXAMPLE/mcp`)).toBe(resource);
    expect(await errorOf({ resource: `https://${name}.example/MCP` })).toBe("invalid_target");
  });

  it("Q26: the origin alone means the single resource under it, at every endpoint", async () => {
    const host = `https://${unique()}.example`;
    const resource = await c.protect(`${host}/mcp`, { scopes: ["a:read"] });
    const code = await c.codeFor(app, { resource: `${host}/` });
    const first = await tokensOf(await c.redeem(app, code, { resource: `${host}/` }));
    expect(decodeJwt(first.access_token).aud).toBe(resource);
    const second = await tokensOf(await c.refresh(app, first.refresh_token, { resource: `${host}/` }));
    expect(decodeJwt(second.access_token).aud).toBe(resource);
  });

  it("Q26: the origin of two resources is invalid_target, and both are named", async () => {
    const host = `https://${unique()}.example`;
    await c.protect(`${host}/a`);
    t.advance(1);
    await c.protect(`${host}/b`);
    const { searchParams } = await c.answerFor(app, { resource: host });
    expect(searchParams.get("error")).toBe("invalid_target");
    expect(searchParams.get("error_description")).toContain(`${host}/a, ${host}/b`);
  });

  it("Q27: without a resource the token is for the server itself, never for nobody", async () => {
    const { access_token } = await c.tokensFor(app);
    expect(decodeJwt(access_token).aud).toBe("https://auth.example.com");
  });
});

describe("RFC 8707: client credentials", () => {
  const grant = { grant_type: "client_credentials" };

  async function service(metadata: Record<string, unknown> = {}): Promise<App> {
    const body = { grant_types: ["client_credentials"], ...metadata };
    const response = await c.json("/clients", body, { "x-admin-key": ADMIN_KEY });
    const { client_id, client_secret } = await response.json();
    return { clientId: client_id, secret: client_secret, redirectUri: "" };
  }

  it("§2.2: the token is for the resource that was asked for", async () => {
    const resource = await c.protect(`https://${unique()}.example/mcp`, { scopes: ["a:read"] });
    const tokens = await tokensOf(await c.token(await service(), { ...grant, resource }));
    expect([decodeJwt(tokens.access_token).aud, tokens.scope]).toEqual([resource, "a:read"]);
  });

  it("§2.2: an unknown resource is invalid_target, unless the client's registration names it (D17)", async () => {
    const resource = `https://${unique()}.example/api`;
    expect(await refusalOf(await c.token(await service(), { ...grant, resource }))).toEqual({
      status: 400,
      error: "invalid_target",
    });
    const allowed = await service({ allowed_resources: [resource], scope: "reports:read" });
    const tokens = await tokensOf(await c.token(allowed, { ...grant, resource }));
    expect([decodeJwt(tokens.access_token).aud, tokens.scope]).toEqual([resource, "reports:read"]);
    const byDefault = await tokensOf(await c.token(allowed, grant));
    expect(decodeJwt(byDefault.access_token).aud).toBe(resource);
  });

  it("§2.2: two resources are invalid_target", async () => {
    const one = await c.protect(`https://${unique()}.example/mcp`);
    const two = await c.protect(`https://${unique()}.example/mcp`);
    expect(await refusalOf(await c.token(await service(), { ...grant, resource: [one, two] }))).toEqual({
      status: 400,
      error: "invalid_target",
    });
  });
});
