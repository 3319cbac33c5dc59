import { beforeAll, describe, expect, it } from "vitest";
import { type App, basic, newBrowser, type Person, refusalOf } from "@/test/support/client";
import { digestOf, unchanged } from "@/test/support/digest";
import { type PublicServer, publicServer } from "@/test/support/public-server";

let s: PublicServer;
let app: App;
let service: App;
let ada: Person;

beforeAll(async () => {
  s = await publicServer();
  app = await s.createApp();
  service = await s.createService();
  ada = await s.c.signIn();
});

const GRANT = { grant_type: "client_credentials" };

/** An address of its own for each request, so that no limit is what answers. */
let peers = 0;
const newPeer = () => `2001:db8:${(++peers).toString(16)}::1`;

/** Statements, quotes, comments and encodings that have opened databases before. */
const INJECTIONS = String.raw`
'
"
;
--
/*
*/
#
\
\'
%
_
$$
::text
%27
%2527
ʼ
＇ or 1=1
' '
' or '1'='1
' or 1=1--
" or ""="
') or ('1'='1
1 or 1=1
1' and '1'='2
' or true--
admin'--
admin'/*
' and 1=(select count(*) from users)--
'; drop table events; --
'; truncate clients cascade; --
'; delete from users where 'a'='a
'; update users set role='admin'; --
'; insert into users values (1); --
'; alter table events disable trigger all; --
'; create role evil superuser; --
'; set role postgres; --
'; copy users to program 'id'; --
'; select pg_sleep(5); --
' || pg_sleep(5) || '
1; select pg_sleep(5)
(select pg_sleep(5))
' || (select password_hash from users limit 1) || '
' union select null--
' union all select secret_hash from clients--
') union select version()--
' returning *--
' limit 1 offset 1--
' order by 1--
' group by 1 having 1=1--
$1
$2
:id
?
{{1}}
{"$ne":null}
["a"]
{a,b}
{"'"}
array['a']
1::int
null
nan
infinity
-1
0x27
1e308
e'\x27'
u&'\0027'
chr(39)
../../etc/passwd
`
  .trim()
  .split("\n");

describe("187: SQL", () => {
  it("has 60 strings to try or more", () => {
    expect(new Set(INJECTIONS).size).toBeGreaterThanOrEqual(60);
  });

  const attempts: Record<string, (text: string) => Promise<Response>> = {
    "/token client_id": (text) =>
      s.c.form("/token", { ...GRANT, client_id: text, client_secret: text }, {}, newPeer()),
    "/token Basic": (text) =>
      s.c.form("/token", GRANT, basic({ clientId: text, secret: text, redirectUri: "" }), newPeer()),
    "/token code": (text) =>
      s.c.token(app, { grant_type: "authorization_code", code: text, code_verifier: text }),
    "/token refresh_token": (text) => s.c.refresh(app, text, { scope: text }),
    "/token scope": (text) => s.c.token(service, { ...GRANT, scope: text }),
    "/token resource": (text) => s.c.token(service, { ...GRANT, resource: text }),
    "/token grant_type": (text) => s.c.token(service, { grant_type: text }),
    "/introspect token": (text) => s.c.form("/introspect", { token: text }, s.operator),
    "/revoke token": (text) =>
      s.c.form("/revoke", { token: text, token_type_hint: text, client_id: app.clientId }),
    "/authorize": (text) => s.c.authorize(s.c.requestOf(app, { client_id: text, redirect_uri: text })),
    "/authorize scope": (text) => s.c.authorize(s.c.requestOf(app, { response_type: text, scope: text })),
    "/authorize/{id}": (text) =>
      s.c.call(`/authorize/${encodeURIComponent(text)}`, { headers: s.c.cookies({ person: ada }) }),
    "/approvals/{id}/decision": (text) =>
      s.c.json(
        `/approvals/${encodeURIComponent(text)}/decision`,
        { decision: "allow", scope: [text] },
        { ...s.c.cookies({ person: ada, browser: newBrowser() }), origin: "https://auth.example.com" },
      ),
    "/me/grants/{id}/stop": (text) =>
      s.c.post(
        `/me/grants/${encodeURIComponent(text)}/stop`,
        "account",
        {},
        { person: ada, browser: newBrowser() },
      ),
    "/me/sessions/{id}/stop": (text) =>
      s.c.post(
        `/me/sessions/${encodeURIComponent(text)}/stop`,
        "account",
        {},
        { person: ada, browser: newBrowser() },
      ),
    "/clients/one": (text) =>
      s.c.call(`/clients/one?client_id=${encodeURIComponent(text)}`, {
        headers: s.operator,
        peer: newPeer(),
      }),
    "PATCH /clients/one": (text) =>
      s.c.json(
        `/clients/one?client_id=${encodeURIComponent(text)}`,
        { status: "disabled" },
        s.operator,
        "PATCH",
      ),
    "/resources": (text) =>
      s.c.json("/resources", { resource: text, name: text, aliases: [text] }, s.operator),
    "/users": (text) =>
      s.c.json("/users", { email: text, name: text, role: text, password: text }, s.operator),
    "/.well-known": (text) => s.c.call(`/.well-known/oauth-protected-resource/${encodeURIComponent(text)}`),
    cookies: (text) =>
      s.c.authorize(s.c.requestOf(app), {}, { cookie: `__Host-authgent=${encodeURIComponent(text)}` }),
    "operator's key": (text) =>
      s.c.call("/clients", { headers: { "x-admin-key": encodeURIComponent(text) }, peer: newPeer() }),
  };

  it.each(Object.keys(attempts))("%s takes every one of them for text", async (where) => {
    const before = await digestOf(s.t.ctx);
    const broken: string[] = [];
    for (const text of INJECTIONS) {
      const response = await attempts[where]?.(text);
      // "openid" and the like do no harm, and a known client may ask for nothing: what counts is that none breaks.
      if (!response || response.status >= 500) broken.push(text);
    }
    const after = await digestOf(s.t.ctx);
    const changed = Object.keys(after).filter((table) => after[table] !== before[table]);
    // Only questions to a person may have come of it: those have a valid client and harmless words.
    expect([broken, changed.filter((table) => table !== "approvals" && table !== "access_tokens")]).toEqual([
      [],
      [],
    ]);
  });

  it("opens no rows that are another's", async () => {
    const list = await (
      await s.c.call("/clients/one?client_id=%27%20or%201%3D1--", { headers: s.operator })
    ).json();
    expect(list).toMatchObject({ status: 404, error: "not_found" });
  });
});

describe("189: NUL", () => {
  const NUL = "a\u0000b";
  const INVALID = { status: 400, error: "invalid_request" };

  it.each(["client_id", "client_secret", "code", "scope", "resource", "token"])(
    "in %s of a form it is invalid_request",
    async (name) => {
      const response = await s.c.form("/token", { ...GRANT, [name]: NUL });
      expect(await refusalOf(response)).toEqual(INVALID);
    },
  );

  it("in Basic credentials it is invalid_client", async () => {
    const encoded = await s.c.form("/token", GRANT, basic({ clientId: NUL, secret: NUL, redirectUri: "" }));
    const raw = await s.c.form("/token", GRANT, { authorization: `Basic ${btoa(`${NUL}:x`)}` });
    expect([await refusalOf(encoded), await refusalOf(raw)]).toEqual(
      new Array(2).fill({ status: 401, error: "invalid_client" }),
    );
  });

  it.each(["GET", "PATCH"])("in the query of %s /clients/one it is invalid_request", async (method) => {
    const response = await s.c.call("/clients/one?client_id=a%00b", {
      method,
      headers: { ...s.operator, "content-type": "application/json" },
      ...(method === "PATCH" ? { body: '{"status":"disabled"}' } : {}),
    });
    expect(await refusalOf(response)).toEqual(INVALID);
  });

  it.each(["/register", "/clients", "/users", "/resources"])(
    "in JSON to %s it is invalid_request",
    async (path) => {
      const response = await unchanged(s.t, () =>
        s.c.json(path, { client_name: NUL, name: NUL }, s.operator),
      );
      expect(await refusalOf(response)).toEqual(INVALID);
    },
  );

  it.each(["client_id", "redirect_uri", "state", "nonce", "scope", "resource", "prompt"])(
    "in %s of an authorization request it reaches no database",
    async (name) => {
      const response = await unchanged(s.t, () => s.c.authorize(s.c.requestOf(app, { [name]: NUL })));
      const location = response.headers.get("location");
      const error = location && new URL(location).searchParams.get("error");
      const byPage = { status: 400, error: null };
      const expected = {
        client_id: byPage,
        redirect_uri: byPage,
        scope: { status: 303, error: "invalid_scope" },
        resource: { status: 303, error: "invalid_target" },
      }[name] ?? { status: 303, error: "invalid_request" };
      expect({ status: response.status, error }).toEqual(expected);
    },
  );

  it("a lone surrogate is no reason to fail", async () => {
    const body = `{"client_name":"a\\ud800b","redirect_uris":["http://127.0.0.1/cb"]}`;
    const response = await s.c.call("/register", {
      method: "POST",
      body,
      headers: { "content-type": "application/json" },
    });
    expect(await refusalOf(response)).toEqual({ status: 400, error: "invalid_client_metadata" });
  });
});

describe("190: the log", () => {
  it("hostile text stays within one JSON line, and chooses no request id", async () => {
    const hostile = 'x\r\n{"level":"info","event":"forged"}\u001b[31m\u2028';
    const before = s.t.lines.length;
    const response = await s.c.form(
      "/token",
      { grant_type: hostile, client_id: hostile, scope: hostile, [hostile]: "x", resource: hostile },
      { "x-request-id": '";forged', "user-agent": "a\u009b31m" },
    );
    await s.c.authorize(s.c.requestOf(app, { client_id: hostile, resource: hostile }));
    const lines = s.t.lines.slice(before).join("").split("\n").filter(Boolean);
    const parsed = lines.map((line) => JSON.parse(line));
    expect(parsed.map(({ event }) => event)).toEqual(["request", "request"]);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: the characters that must not be there
    expect(lines.filter((line) => /[\u0000-\u001f\u007f-\u009f]/.test(line))).toEqual([]);
    expect(response.headers.get("x-request-id")).toMatch(/^[0-9a-f]{8}-[0-9a-f-]{27}$/);
  });

  it("a request id of a good form is kept, so that a caller finds its request", async () => {
    const { headers } = await s.c.call("/health", { headers: { "x-request-id": "trace-1" } });
    expect(headers.get("x-request-id")).toBe("trace-1");
  });
});
