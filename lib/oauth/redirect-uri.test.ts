import { describe, expect, it } from "vitest";
import { applicationTypeOf, checkRedirectUri, matchesRedirectUri, redirectKind } from "./redirect-uri";

const CURSOR = [
  "cursor://anysphere.cursor-mcp/oauth/callback",
  "https://www.cursor.com/agents/mcp/oauth/callback",
  "http://localhost:8787/callback",
];
const CLAUDE_CODE = ["http://localhost/callback", "http://127.0.0.1/callback"];
const VS_CODE = ["http://127.0.0.1:33418/", "https://vscode.dev/redirect"];

describe("checkRedirectUri", () => {
  it.each([
    ...CURSOR,
    ...CLAUDE_CODE,
    ...VS_CODE,
    "https://claude.ai/api/mcp/auth_callback",
    "https://app.a.ex:8443/cb?tenant=1",
    "http://[::1]:9000/cb",
    "http://127.8.4.2/cb",
    "com.example.app:/oauth2redirect/provider",
    "vscode://vscode.github-authentication/did-authenticate",
    "myapp:///cb",
  ])("takes %s", (uri) => {
    expect(checkRedirectUri(uri)).toBeUndefined();
  });

  const absolute = "Register absolute redirect URIs of at most 2048 characters, percent-encoded";
  const scheme = "Register a redirect URI that leads to your app: https, loopback http, or its own scheme";
  const loopback = "Register https redirect URIs: http is for localhost, 127.0.0.1 and [::1] only";
  const host = "Register redirect URIs with a host name in its usual form";
  const fragment = "Register redirect URIs without a fragment";
  const userinfo = "Register redirect URIs without a user name or password";
  const wildcard = "Register each redirect URI in full: wildcards are not matched";
  const dots = "Register redirect URIs without . and .. segments";
  const place = "Register private-use redirect URIs with a host or a path, such as com.example.app:/callback";

  it.each([
    ["javascript:alert(1)", scheme],
    ["JavaScript://a.ex/%0aalert(1)", scheme],
    ["data:text/html,x", scheme],
    ["vbscript:x", scheme],
    ["file:///etc/passwd", scheme],
    ["blob:https://a.ex/1", scheme],
    ["about:blank", scheme],
    ["intent://a.ex/#Intent;end", fragment],
    ["ws://a.ex/", scheme],
    ["http://a.ex/cb", loopback],
    ["http://127.0.0.1.evil/cb", loopback],
    ["http://0.0.0.0/cb", loopback],
    ["http://127.1/cb", host],
    ["http://2130706433/cb", host],
    ["http://0x7f.0.0.1/cb", host],
    ["https://%65vil.ex/cb", host],
    ["https:///cb", host],
    ["https:a.ex/cb", host],
    ["http://localhost:99999/cb", absolute],
    ["cursor://[::1/cb", absolute],
    ["https://a.ex/cb#f", fragment],
    ["https://a.ex/cb#", fragment],
    ["https://user:pw@a.ex/cb", userinfo],
    ["cursor://a@b/cb", userinfo],
    ["https://*.a.ex/cb", wildcard],
    ["https://a.ex/*", wildcard],
    ["https://a.ex/cb?x=*", wildcard],
    ["https://a.ex/x/../cb", dots],
    ["https://a.ex/x/%2e%2E/cb", dots],
    ["urn:ietf:wg:oauth:2.0:oob", place],
    ["myapp:", place],
    ["myapp://", place],
    ["myapp:/", place],
    ["myapp:callback", place],
    ["", absolute],
    ["//x", absolute],
    ["/cb", absolute],
    ["https://a.ex/c b", absolute],
    ["https://a.ex\\@evil.ex/cb", absolute],
    ["https://a.ex/cb\r\nSet-Cookie: a=b", absolute],
    ["https://a.ex/\0", absolute],
    ["https://аpple.ex/cb", absolute],
    [`https://a.ex/${"x".repeat(2048)}`, absolute],
    [
      "https://a.ex/cb?iss=https://evil.ex",
      "Register redirect URIs without iss in the query: the response adds it",
    ],
    [
      "https://a.ex/cb?x=1&c%6fde=1",
      "Register redirect URIs without code in the query: the response adds it",
    ],
  ])("refuses %j", (uri, description) => {
    expect(() => checkRedirectUri(uri)).toThrow(
      expect.objectContaining({ code: "invalid_redirect_uri", description }),
    );
  });
});

describe("matchesRedirectUri", () => {
  it.each([...CURSOR, ...CLAUDE_CODE, ...VS_CODE])("takes %s as registered", (uri) => {
    expect(matchesRedirectUri([...CURSOR, ...CLAUDE_CODE, ...VS_CODE], uri)).toBe(true);
  });

  it.each([
    ["https://a.ex/cb", "https://a.ex/cb/"],
    ["https://a.ex/cb", "https://a.ex/cb?x=1"],
    ["https://a.ex/cb", "https://a.ex/CB"],
    ["https://a.ex/cb", "HTTPS://A.EX/cb"],
    ["https://a.ex/cb", "https://a.ex:443/cb"],
    ["https://a.ex/cb", "https://a.ex/cb#f"],
    ["https://a.ex/cb", "https://a.ex/./cb"],
    ["https://a.ex/cb", "https://a.ex/x/../cb"],
    ["https://a.ex/cb", "https://a.ex/%63b"],
    ["https://a.ex", "https://a.ex/"],
    ["https://app.a.ex/cb", "https://appXa.ex/cb"],
    ["cursor://anysphere.cursor-mcp/oauth/callback", "cursor://evil/oauth/callback"],
  ])("security 4, 6: registered %s, refuses %s", (registered, sent) => {
    expect(matchesRedirectUri([registered], sent)).toBe(false);
  });

  it.each([
    ["http://127.0.0.1/cb", "http://127.0.0.1:53211/cb"],
    ["http://localhost/callback", "http://localhost:49152/callback"],
    ["http://127.0.0.1/callback", "http://localhost:49152/callback"],
    ["http://localhost:8787/callback", "http://[::1]:1/callback"],
    ["http://127.0.0.1:33418/", "http://127.0.0.1:65535"],
    ["http://localhost", "http://127.0.0.1:8080/"],
    ["http://localhost/cb?a=1", "http://localhost:81/cb?a=1"],
  ])("Q18: registered %s, takes %s", (registered, sent) => {
    expect(matchesRedirectUri([registered], sent)).toBe(true);
  });

  it.each([
    "http://127.0.0.1.evil/cb",
    "http://127.0.0.1:80@evil.ex/cb",
    "http://127.1/cb",
    "http://2130706433/cb",
    "http://0.0.0.0/cb",
    "http://127.0.0.2/cb",
    "http://LOCALHOST/cb",
    "https://127.0.0.1/cb",
    "https://127.0.0.1:8443/cb",
    "http://127.0.0.1:0/cb",
    "http://127.0.0.1:080/cb",
    "http://127.0.0.1:65536/cb",
    "http://127.0.0.1:/cb",
    "http://127.0.0.1:x/cb",
    "http://127.0.0.1/cb/",
    "http://127.0.0.1/CB",
    "http://127.0.0.1/x/../cb",
    "http://127.0.0.1/cb?x=1",
    "http://127.0.0.1/cb#f",
    "http://127.0.0.1/cb\n",
    "http://127.0.0.1",
  ])("security 7: registered http://127.0.0.1/cb, refuses %j", (sent) => {
    expect(matchesRedirectUri(["http://127.0.0.1/cb"], sent)).toBe(false);
  });

  it("takes nothing from a client without redirect URIs", () => {
    expect(matchesRedirectUri([], "http://localhost/cb")).toBe(false);
  });
});

it.each([
  ["https://a.ex/cb", "https"],
  ["https://localhost.evil/cb", "https"],
  ["http://localhost:1/cb", "loopback"],
  ["https://127.0.0.1/cb", "loopback"],
  ["cursor://localhost/cb", "private-use"],
])("redirectKind(%s) is %s", (uri, kind) => {
  expect(redirectKind(uri)).toBe(kind);
});

it.each([
  [CURSOR, "native"],
  [CLAUDE_CODE, "native"],
  [VS_CODE, "native"],
  [["https://claude.ai/api/mcp/auth_callback"], "web"],
  [[], "web"],
])("Q11: applicationTypeOf(%j) is %s", (uris, type) => {
  expect(applicationTypeOf(uris)).toBe(type);
});
