import { beforeAll, describe, expect, it } from "vitest";
import { answer } from "@/lib/http/routes";
import { type App, type Person, refusalOf } from "@/test/support/client";
import { unique } from "@/test/support/context";
import { unchanged } from "@/test/support/digest";
import { type PublicServer, publicServer } from "@/test/support/public-server";

let s: PublicServer;
let app: App;
let service: App;
let _ada: Person;

beforeAll(async () => {
  s = await publicServer();
  app = await s.createApp();
  service = await s.createService();
  _ada = await s.c.signIn();
});

const GRANT = { grant_type: "client_credentials" };
const FORM = "application/x-www-form-urlencoded";

describe("173: spoofed names", () => {
  it.each([
    ["Host", { host: "evil.example" }],
    ["X-Forwarded-Host", { "x-forwarded-host": "evil.example" }],
    ["X-Forwarded-Proto", { "x-forwarded-proto": "http" }],
    ["Forwarded", { forwarded: "host=evil.example;proto=http" }],
    ["X-Original-URL", { "x-original-url": "/evil", "x-rewrite-url": "/evil" }],
    ["Origin", { origin: "https://evil.example" }],
  ])(
    "%s leaves every discovery document as it is, byte for byte",
    async (_, headers: Record<string, string>) => {
      for (const path of [
        "/.well-known/oauth-authorization-server",
        "/.well-known/openid-configuration",
        "/.well-known/oauth-protected-resource",
        "/.well-known/oauth-protected-resource/mcp",
        "/.well-known/jwks.json",
      ]) {
        const honest = await s.c.call(path);
        const spoofed = await s.c.call(`${path}?host=evil.example`, { headers });
        expect(await spoofed.text()).toBe(await honest.text());
        const kept = (response: Response) =>
          [...response.headers].filter(([name]) => name !== "x-request-id").join("\n");
        expect(kept(spoofed)).toBe(kept(honest));
      }
    },
  );

  it("a spoofed URL of the request changes neither challenge nor redirect", async () => {
    const peer = { socketAddress: "203.0.113.20" };
    const mcp = await answer(s.t.ctx, new Request("https://evil.example/mcp", { method: "POST" }), peer);
    const login = await answer(s.t.ctx, new Request("https://evil.example/authorize/none"), peer);
    expect([mcp?.headers.get("www-authenticate"), login?.headers.get("location")]).toEqual([
      'Bearer resource_metadata="https://auth.example.com/.well-known/oauth-protected-resource/mcp", scope="mcp:tools"',
      "/login?continue=%2Fauthorize%2Fnone",
    ]);
  });

  it.each(["//token", "/%74oken", "/token/", "/TOKEN", "/token;x", "/token%2f", "/./x/..//token"])(
    "171: %s is not /token",
    async (path) => {
      const request = new Request(`https://auth.example.com${path}`, { method: "POST" });
      expect(await answer(s.t.ctx, request, { socketAddress: "203.0.113.20" })).toBeUndefined();
    },
  );

  it("171: the headers of a framework open nothing", async () => {
    const canary = unique("canary-");
    await s.createApp({ client_name: canary });
    const headers = {
      "x-middleware-subrequest": "middleware:middleware:middleware:middleware:middleware",
      "x-middleware-rewrite": "/clients",
      "x-original-url": "/health",
      "next-router-prefetch": "1",
      rsc: "1",
    };
    const response = await s.c.call("/clients?_rsc=1", { headers });
    expect([response.status, (await response.text()).includes(canary)]).toEqual([401, false]);
  });
});

describe("175: CORS", () => {
  it.each(["/token", "/register", "/revoke", "/mcp", "/.well-known/jwks.json"])(
    "%s answers any origin with *, and none with credentials",
    async (path) => {
      for (const origin of ["https://evil.example", "null"]) {
        const { headers } = await s.c.call(path, { headers: { origin } });
        expect([
          headers.get("access-control-allow-origin"),
          headers.get("access-control-allow-credentials"),
        ]).toEqual(["*", null]);
      }
    },
  );

  it.each([
    "/introspect",
    "/clients",
    "/users",
    "/resources",
    "/approvals/x/decision",
    "/authorize",
    "/logout",
  ])("%s is readable by no other origin", async (path) => {
    const preflight = await s.c.call(path, {
      method: "OPTIONS",
      headers: { origin: "https://evil.example", "access-control-request-method": "POST" },
    });
    const { headers } = await s.c.call(path, { headers: { origin: "https://evil.example" } });
    const allowed = [preflight.headers, headers].map((each) => each.get("access-control-allow-origin"));
    expect([preflight.status, ...allowed]).toEqual([405, null, null]);
  });
});

describe("178: members that are not the caller's to set", () => {
  it.each([
    "client_id",
    "kind",
    "secret_hash",
    "redirect_uris",
    "scope",
    "created_by",
    "__proto__",
    "constructor",
  ])("PATCH /clients/one with %s is 422, D21", async (name) => {
    const response = await unchanged(s.t, () =>
      s.c.call(`/clients/one?client_id=${app.clientId}`, {
        method: "PATCH",
        body: `{"status":"active","${name}":"x"}`,
        headers: { ...s.operator, "content-type": "application/json" },
      }),
    );
    expect(await refusalOf(response)).toEqual({ status: 422, error: "validation_failed" });
  });

  it.each(["id", "status", "password_hash", "localEmail"])("POST /users with %s is 422", async (name) => {
    const user = { email: `${unique()}@example.com`, role: "member", password: "long enough", [name]: "x" };
    const response = await unchanged(s.t, () => s.c.json("/users", user, s.operator));
    expect(await refusalOf(response)).toEqual({ status: 422, error: "validation_failed" });
  });
});

describe("182: content types", () => {
  const body = `grant_type=client_credentials&client_id=x&token=x`;
  it.each([
    "application/json",
    "multipart/form-data; boundary=x",
    "text/plain",
    "application/json, application/x-www-form-urlencoded",
    `${FORM}; charset=utf-7`,
    `${FORM}; charset=utf-16`,
    `${FORM}x`,
    "",
  ])("the type %j at a form endpoint is invalid_request", async (type) => {
    for (const path of ["/token", "/introspect", "/revoke"]) {
      const response = await unchanged(s.t, () =>
        s.c.call(path, {
          method: "POST",
          body: new TextEncoder().encode(body),
          headers: type ? { "content-type": type } : {},
        }),
      );
      expect(await refusalOf(response)).toEqual({ status: 400, error: "invalid_request" });
    }
  });

  it.each([FORM, "text/plain", "application/jsonp", "multipart/form-data; boundary=x", ""])(
    "the type %j at a JSON endpoint is 415",
    async (type) => {
      for (const path of ["/register", "/clients", "/users", "/resources"]) {
        const response = await unchanged(s.t, () =>
          s.c.call(path, {
            method: "POST",
            body: new TextEncoder().encode("{}"),
            headers: { ...s.operator, ...(type ? { "content-type": type } : {}) },
          }),
        );
        expect(await refusalOf(response)).toEqual({ status: 415, error: "unsupported_media_type" });
      }
    },
  );

  it("bytes that are not UTF-8 are invalid_request", async () => {
    for (const path of ["/token", "/register"]) {
      const response = await s.c.call(path, {
        method: "POST",
        body: new Uint8Array([0x61, 0x3d, 0xff, 0xfe]),
        headers: { "content-type": path === "/token" ? FORM : "application/json" },
      });
      expect(await refusalOf(response)).toEqual({ status: 400, error: "invalid_request" });
    }
  });

  it.each(["grant_type", "client_id", "scope", "code"])("%s twice is invalid_request", async (name) => {
    const form = new URLSearchParams({ ...GRANT, client_id: service.clientId });
    form.append(name, "x");
    form.append(name, "y");
    const response = await s.c.call("/token", { method: "POST", body: form });
    expect(await refusalOf(response)).toEqual({ status: 400, error: "invalid_request" });
  });
});

describe("185: sizes", () => {
  const TOO_LARGE = { status: 413, error: "content_too_large" };
  it("a token of 1 MB is refused unread, at every endpoint that takes one", async () => {
    const token = "e".repeat(1_000_000);
    const answers = [];
    for (const path of ["/introspect", "/revoke", "/token"])
      answers.push(await refusalOf(await s.c.form(path, { token, refresh_token: token }, s.operator)));
    expect(answers).toEqual([TOO_LARGE, TOO_LARGE, TOO_LARGE]);
  });

  it("a token of 60 KB is no token", async () => {
    const response = await s.c.form("/introspect", { token: "e".repeat(60_000) }, s.operator);
    expect(await response.json()).toEqual({ active: false });
  });

  it("10,000 scopes are invalid_scope", async () => {
    const scope = Array.from({ length: 10_000 }, (_, index) => `s${index}`).join(" ");
    const response = await unchanged(s.t, () => s.c.token(service, { ...GRANT, scope }));
    expect(await refusalOf(response)).toEqual({ status: 400, error: "invalid_scope" });
  });

  it("JSON 30,000 levels deep is refused", async () => {
    const response = await s.c.call("/register", {
      method: "POST",
      body: "[".repeat(30_000) + "]".repeat(30_000),
      headers: { "content-type": "application/json" },
    });
    expect(await refusalOf(response)).toEqual({ status: 400, error: "invalid_client_metadata" });
  });

  it("8,000 fields of a form are ignored", async () => {
    const fields = Object.fromEntries(Array.from({ length: 8000 }, (_, index) => [`f${index}`, ""]));
    const response = await s.c.form("/token", { ...fields, client_id: "app_nobody" });
    expect(await refusalOf(response)).toEqual({ status: 401, error: "invalid_client" });
  });
});

describe("193: addresses", () => {
  const RATE = { AUTHGENT_TOKEN_RATE_LIMIT: "5" };
  const spoofed = (n: number): Record<string, string>[] => [
    { "x-forwarded-for": `198.51.100.${n}` },
    { "x-forwarded-for": `198.51.100.${n}, 10.0.0.${n}` },
    { forwarded: `for=198.51.100.${n}` },
    { "x-real-ip": `198.51.100.${n}`, "cf-connecting-ip": `198.51.100.${n}` },
    { "x-client-ip": `198.51.100.${n}`, "true-client-ip": `198.51.100.${n}` },
  ];

  it("without trusted proxies no header moves a caller into another bucket", async () => {
    const small = await publicServer({ env: RATE });
    const peer = "203.0.113.30";
    const statuses = [];
    for (const headers of [...spoofed(1), ...spoofed(2)])
      statuses.push((await small.c.form("/token", { client_id: "x" }, headers, peer)).status);
    const mapped = await small.c.form("/token", { client_id: "x" }, {}, "::ffff:203.0.113.30");
    expect([statuses, mapped.status]).toEqual([[...new Array(5).fill(401), ...new Array(5).fill(429)], 429]);
  });

  it("behind one proxy only the address that the proxy saw counts", async () => {
    const small = await publicServer({ env: { ...RATE, AUTHGENT_TRUST_PROXY: "1" } });
    const from = async (forwarded: string, more: Record<string, string> = {}) => {
      const headers = { "x-forwarded-for": forwarded, ...more };
      return (await small.c.form("/token", { client_id: "x" }, headers, "10.0.0.1")).status;
    };
    const statuses = [];
    for (let n = 1; n <= 6; n++)
      statuses.push(
        await from(`198.51.100.${n}, 127.0.0.1, 203.0.113.40`, { "x-real-ip": `198.51.100.${n}` }),
      );
    expect(statuses).toEqual([...new Array(5).fill(401), 429]);
    expect(await from("203.0.113.40, 203.0.113.41")).toBe(401);
  });

  it.each(["", "unknown", "not an address", "203.0.113.50:1234"])(
    "behind one proxy a header that says %j counts for the proxy",
    async (forwarded) => {
      const small = await publicServer({ env: { ...RATE, AUTHGENT_TRUST_PROXY: "1" } });
      const statuses = [];
      for (let n = 1; n <= 6; n++) {
        const headers = { "x-forwarded-for": forwarded };
        statuses.push((await small.c.form("/token", { client_id: "x" }, headers, "10.0.0.2")).status);
      }
      expect(statuses).toEqual([...new Array(5).fill(401), 429]);
    },
  );

  it("an IPv6 customer has one bucket, whichever of its addresses it takes", async () => {
    const small = await publicServer({ env: RATE });
    const statuses = [];
    for (let n = 1; n <= 6; n++)
      statuses.push((await small.c.form("/token", { client_id: "x" }, {}, `2001:db8:9:9:${n}::${n}`)).status);
    expect(statuses).toEqual([...new Array(5).fill(401), 429]);
  });

  it("the names of one endpoint share its bucket", async () => {
    const small = await publicServer({ env: RATE });
    const statuses = [];
    for (let n = 0; n < 6; n++)
      statuses.push((await small.c.form(n % 2 ? "/token" : "/oauth/token", { client_id: "x" })).status);
    expect(statuses).toEqual([...new Array(5).fill(401), 429]);
  });
});
