import { createHmac, randomBytes } from "node:crypto";
import { createServer } from "node:http";
import { eq } from "drizzle-orm";
import { CompactEncrypt } from "jose";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { grants } from "@/db/schema/grants";
import { users } from "@/db/schema/users";
import { issueCsrfToken } from "@/lib/http/csrf";
import { GRANT_TYPES, TOKEN_TYPES } from "@/lib/oauth/token-types";
import { narrowGrant, stopGrant } from "@/lib/services/grants";
import { JWKS_MAX_AGE, rotateKeys } from "@/lib/services/keys";
import { type App, basic, type Person, refusalOf, type Tokens, tokensOf } from "@/test/support/client";
import { twoInstances } from "@/test/support/context";
import { operate, PUBLIC_ENV, type PublicServer, publicServer } from "@/test/support/public-server";
import { claimsOf, ownSigner } from "@/test/support/signer";

const MCP = "https://auth.example.com/mcp";

let s: PublicServer;
let other: PublicServer;
let close: () => Promise<void>;
let app: App;
let ada: Person;
let tokens: Tokens;
let signer: Awaited<ReturnType<typeof ownSigner>>;
let connections = 0;
/** Where forged headers send whoever follows them. */
const trap = createServer((_, response) => response.end("{}")).on("connection", () => {
  connections += 1;
});
let trapUrl: string;

beforeAll(async () => {
  const [first, second, end] = await twoInstances({ env: PUBLIC_ENV });
  [s, other, close] = [operate(first), operate(second), end];
  signer = await ownSigner(s.t.ctx);
  await new Promise<void>((resolve) => trap.listen(0, "127.0.0.1", resolve));
  const address = trap.address();
  trapUrl = `http://127.0.0.1:${typeof address === "object" ? address?.port : 0}/jwks.json`;
});
afterAll(async () => {
  await close();
  trap.close();
});
beforeEach(async () => {
  app = await s.createApp();
  ada = await s.c.signIn();
  tokens = await s.c.tokensFor(app, { resource: MCP }, { person: ada });
});

/** The MCP endpoint asked who is there, with whatever Authorization header. */
const whoami = (authorization: string, on = s, path = "/mcp") =>
  on.c.json(
    path,
    { jsonrpc: "2.0", id: 1, method: "tools/call", params: { name: "whoami", arguments: {} } },
    { authorization, accept: "application/json, text/event-stream" },
  );

/** What becomes of a token at both places that judge tokens. */
async function judge(token: string, on = s) {
  const mcp = await whoami(`Bearer ${token}`, on);
  const challenge = mcp.headers.get("www-authenticate") ?? "";
  return {
    introspection: await on.introspect(token),
    mcp: mcp.status,
    error: /error="(\w+)"/.exec(challenge)?.[1],
    metadata: /resource_metadata="([^"]+)"/.exec(challenge)?.[1],
  };
}
const DEAD = {
  introspection: { active: false },
  mcp: 401,
  error: "invalid_token",
  metadata: "https://auth.example.com/.well-known/oauth-protected-resource/mcp",
};

/** The claims of the live token, changed; signed by the server's own key. */
const forged = (change: Record<string, unknown> = {}, header: Record<string, unknown> = {}) => {
  const claims = { ...claimsOf(tokens.access_token), ...change };
  const kept = Object.entries(claims).filter(([, value]) => value !== undefined);
  return signer.sign(Object.fromEntries(kept), header);
};
const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");

it("the forger's own token, unchanged, is accepted: what follows is refused for its own reason", async () => {
  const { introspection, mcp } = await judge(forged());
  expect([introspection.active, mcp]).toEqual([true, 200]);
});

describe("126: signatures", () => {
  it.each(["none", "None", "nOnE"])("alg %s is refused", async (alg) => {
    const input = `${encode({ alg, typ: "at+jwt", kid: signer.kid })}.${encode(claimsOf(tokens.access_token))}`;
    expect([await judge(`${input}.`), await judge(`${input}.AA`)]).toEqual([DEAD, DEAD]);
  });

  it("a stripped or changed signature is refused", async () => {
    const [head, body, tail = ""] = tokens.access_token.split(".");
    const flipped = `${tail.startsWith("A") ? "B" : "A"}${tail.slice(1)}`;
    const verdicts = [];
    for (const token of [`${head}.${body}.`, `${head}.${body}`, `${head}.${body}.${flipped}`])
      verdicts.push(await judge(token));
    expect(verdicts).toEqual([DEAD, DEAD, DEAD]);
  });

  it("changed claims under the old signature are refused", async () => {
    const [head, , tail] = tokens.access_token.split(".");
    const body = encode({ ...claimsOf(tokens.access_token), scope: "admin:all" });
    expect(await judge(`${head}.${body}.${tail}`)).toEqual(DEAD);
  });

  it.each(["PEM", "DER", "JSON", "x"])(
    "HS256 with the public key's %s as secret is refused",
    async (form) => {
      const { publicKey, publicJwk } = signer;
      const secret = {
        PEM: publicKey.export({ type: "spki", format: "pem" }),
        DER: publicKey.export({ type: "spki", format: "der" }),
        JSON: JSON.stringify(publicJwk),
        x: Buffer.from(publicJwk.x ?? "", "base64url"),
      }[form];
      const header = encode({ alg: "HS256", typ: "at+jwt", kid: signer.kid });
      const input = `${header}.${encode(claimsOf(tokens.access_token))}`;
      const mac = createHmac("sha256", secret ?? "")
        .update(input)
        .digest("base64url");
      expect(await judge(`${input}.${mac}`)).toEqual(DEAD);
    },
  );
});

describe("headers", () => {
  it("128: a token that brings or points to its key is refused, and nothing is fetched", async () => {
    const verdicts = [];
    for (const header of [
      { jku: trapUrl },
      { x5u: trapUrl },
      { jwk: signer.publicJwk },
      { x5c: [signer.publicKey.export({ type: "spki", format: "der" }).toString("base64")] },
    ])
      verdicts.push(await judge(forged({}, header)));
    expect([verdicts, connections]).toEqual([[DEAD, DEAD, DEAD, DEAD], 0]);
  });

  it.each(["JWT", "jwt", "dpop+jwt", "logout+jwt", "secevent+jwt", "", undefined])(
    "129: typ %j is no access token (RFC 8725 §3.11)",
    async (typ) => {
      expect(await judge(forged({}, { typ }))).toEqual(DEAD);
    },
  );

  it.each([undefined, "unknown", "../../etc/passwd", "' or 1=1 --", 1, null])(
    "126: kid %j names no key",
    async (kid) => {
      expect(await judge(forged({}, { kid }))).toEqual(DEAD);
    },
  );

  it("135: crit, b64 and zip are refused, and a JWE is not opened", async () => {
    const bomb = await new CompactEncrypt(Buffer.alloc(8000))
      .setProtectedHeader({ alg: "dir", enc: "A256GCM", zip: "DEF", kid: signer.kid })
      .encrypt(randomBytes(32))
      .catch(() => `${encode({ alg: "dir", enc: "A256GCM", zip: "DEF" })}..AAAA.AAAA.AAAA`);
    const headers = [{ crit: ["b64"], b64: false }, { b64: false }, { zip: "DEF" }, { crit: ["exp"] }];
    const verdicts = [];
    for (const token of [...headers.map((header) => forged({}, header)), bomb])
      verdicts.push(await judge(token));
    expect(verdicts).toEqual(new Array(5).fill(DEAD));
  });
});

describe("129: credentials that are not access tokens", () => {
  it("codes, cookies, secrets and form tokens open nothing", async () => {
    const confidential = await s.c.registerConfidential();
    const { code } = await s.c.codeFor(app, { resource: MCP }, { person: ada });
    const csrf = issueCsrfToken(s.t.ctx, { binding: "b", purpose: "account" });
    const verdicts = [];
    for (const value of [
      code,
      ada.session,
      confidential.secret ?? "",
      csrf,
      "x",
      "a.b.c",
      "..",
      "eyJ.eyJ.eyJ",
    ])
      verdicts.push(await judge(value));
    expect(verdicts).toEqual(new Array(8).fill(DEAD));
  });

  it("an ID token and an introspection response open nothing, whatever they are sent as", async () => {
    const { id_token = "" } = await s.c.tokensFor(app, { scope: "openid" }, { person: ada });
    const accept = { accept: "application/token-introspection+jwt" };
    const asked = await s.c.form("/introspect", { token: tokens.access_token }, { ...s.operator, ...accept });
    const exchanger = await s.createService({ grant_types: [GRANT_TYPES.tokenExchange], scope: "mcp:tools" });
    for (const jwt of [id_token, await asked.text()]) {
      expect(await judge(jwt)).toEqual(DEAD);
      const userinfo = await s.c.call("/userinfo", { headers: { authorization: `Bearer ${jwt}` } });
      expect(await refusalOf(userinfo)).toEqual({ status: 401, error: "invalid_token" });
      for (const type of Object.values(TOKEN_TYPES)) {
        const fields = {
          grant_type: GRANT_TYPES.tokenExchange,
          subject_token: jwt,
          subject_token_type: type,
        };
        expect(await refusalOf(await s.c.token(exchanger, fields))).toEqual({
          status: 400,
          error: "invalid_request",
        });
      }
    }
  });

  it("a token that says it is an access token, with the claims of an ID token, is none", async () => {
    const { id_token = "" } = await s.c.tokensFor(app, { scope: "openid" }, { person: ada });
    expect(await judge(signer.sign(claimsOf(id_token), { typ: "at+jwt" }))).toEqual(DEAD);
  });

  it("a refresh token opens no resource", async () => {
    const { mcp, error } = await judge(tokens.refresh_token);
    expect([mcp, error]).toEqual([401, "invalid_token"]);
  });
});

describe("claims", () => {
  it.each(["exp", "iat", "aud", "iss", "sub", "client_id", "jti", "scope"])(
    "130: without %s it is refused",
    async (name) => {
      expect(await judge(forged({ [name]: undefined }))).toEqual(DEAD);
    },
  );

  it.each([
    ["exp", "4000000000"],
    ["exp", 4_000_000_000.5],
    ["exp", -1],
    ["exp", 0],
    ["exp", 1e15],
    ["exp", null],
    ["exp", [4_000_000_000]],
    ["iat", 4_000_000_000],
    ["nbf", 4_000_000_000],
    ["nbf", "0"],
    ["scope", ["mcp:tools"]],
    ["sub", ""],
    ["jti", "00000000-0000-7000-8000-000000000000"],
    ["jti", "' or 1=1 --"],
    ["iss", "https://auth.example.com/"],
    ["iss", "https://evil.example"],
    ["iss", ["https://auth.example.com"]],
    ["aud", [MCP, "https://rs.example"]],
    ["aud", [MCP]],
    ["aud", null],
    ["act", { sub: 1 }],
  ])("131, 132: %s = %j is refused", async (name, value) => {
    expect(await judge(forged({ [name]: value }))).toEqual(DEAD);
  });

  it.each([
    `${MCP}/`,
    `${MCP}.evil.example`,
    `${MCP}?x`,
    "https://auth.example.com",
    "https://AUTH.example.com/mcp",
  ])("132: aud %s is for somebody else", async (aud) => {
    const { mcp, error } = await judge(forged({ aud }));
    expect([mcp, error]).toEqual([401, "invalid_token"]);
  });

  it("131: it ends with the second it says", async () => {
    const later = await publicServer();
    later.t.advance(Number(claimsOf(tokens.access_token).exp) - later.t.ctx.now().getTime() / 1000 - 0.5);
    expect((await judge(tokens.access_token, later)).mcp).toBe(200);
    later.t.advance(1);
    expect(await judge(tokens.access_token, later)).toEqual(DEAD);
  });

  it("180: what the token says counts for nothing against what the database says", async () => {
    const { introspection } = await judge(forged({ scope: "mcp:tools admin:all" }));
    expect(introspection.scope).toBe("mcp:tools");
  });
});

describe("136: the JWKS", () => {
  it("holds no private part", async () => {
    const { keys } = await (await s.c.call("/.well-known/jwks.json")).json();
    const members = new Set(keys.flatMap((key: object) => Object.keys(key)));
    expect([...members].sort()).toEqual(["alg", "crv", "kid", "kty", "use", "x", "y"]);
  });

  it("shows the next key for as long as verifiers cache before it signs", async () => {
    const later = await publicServer();
    const kids = async () =>
      (await (await later.c.call("/.well-known/jwks.json")).json()).keys.map(
        ({ kid }: { kid: string }) => kid,
      );
    later.t.advance(10 * JWKS_MAX_AGE);
    const { next } = await rotateKeys(later.t.ctx, { actor: "operator" });
    later.t.advance(1);
    expect(await kids()).toContain(next);
    const rotation = rotateKeys(later.t.ctx, { actor: "operator" });
    await expect(rotation).rejects.toMatchObject({ code: "conflict" });
  });
});

describe("137: where a token may stand", () => {
  it.each([
    ["Bearer %", 200],
    ["bearer %", 200],
    ["Bearer  %", 200],
    ["Bearer\t%", 401],
    ["Bearer%", 401],
    ["Bearer %, Bearer %", 401],
    ["Bearer % %", 401],
    ['Bearer "%"', 401],
    ["DPoP %", 401],
    ["Basic %", 401],
    ["%", 401],
    ["Bearer", 401],
  ])("Authorization: %s answers %i (RFC 6750 §2.1)", async (form, status) => {
    const response = await whoami(form.replaceAll("%", tokens.access_token));
    expect(response.status).toBe(status);
  });

  it("the query and the body are no places for it", async () => {
    const query = await whoami("", s, `/mcp?access_token=${tokens.access_token}`);
    const body = await s.c.form("/mcp", { access_token: tokens.access_token });
    expect([query, body].map(({ status, headers }) => [status, headers.get("www-authenticate")])).toEqual(
      new Array(2).fill([401, `Bearer resource_metadata="${DEAD.metadata}", scope="mcp:tools"`]),
    );
  });

  it("198: a page of another origin is refused even with a token (DNS rebinding)", async () => {
    const response = await s.c.json(
      "/mcp",
      {},
      { authorization: `Bearer ${tokens.access_token}`, origin: "https://evil.example" },
    );
    expect(await refusalOf(response)).toEqual({ status: 403, error: "forbidden" });
  });
});

describe("whose tokens a client may see (RFC 7662 §4)", () => {
  const ask = async (as: App, token: string) => (await s.c.form("/introspect", { token }, basic(as))).json();

  it("176: another client's token is as unknown as one that never was (D21)", async () => {
    const stranger = await s.createService();
    const answers = [
      await ask(stranger, tokens.access_token),
      await ask(stranger, tokens.refresh_token),
      await ask(stranger, "nothing"),
    ];
    expect(answers).toEqual(new Array(3).fill({ active: false }));
  });

  it("176: only the clients that a resource names see the tokens meant for it", async () => {
    const [mine, yours] = [await s.createService(), await s.createService()];
    const resource = await s.createResource(["read"], { introspection_clients: [mine.clientId] });
    const { access_token, refresh_token } = await s.c.tokensFor(app, { resource }, { person: ada });
    expect([(await ask(mine, access_token)).active, (await ask(yours, access_token)).active]).toEqual([
      true,
      false,
    ]);
    expect(await ask(mine, refresh_token)).toEqual({ active: false });
  });

  it("176: a public client_id alone sees nothing, and neither does an anonymous caller", async () => {
    const anonymous = await s.c.form("/introspect", { token: tokens.access_token });
    const named = await s.c.form("/introspect", { token: tokens.access_token, client_id: app.clientId });
    const bearing = await s.c.form(
      "/introspect",
      { token: tokens.access_token },
      { authorization: `Bearer ${tokens.access_token}` },
      "203.0.113.70",
    );
    expect([await refusalOf(anonymous), await refusalOf(named), await refusalOf(bearing)]).toEqual([
      { status: 401, error: "invalid_client" },
      { status: 401, error: "invalid_client" },
      { status: 401, error: "invalid_token" },
    ]);
  });
});

describe("180, 201: what is taken back is refused by the other instance", () => {
  /** A disabled client may still be remembered there, for a second (product decision D25). */
  const aSecondLater = () => other.t.advance(1);
  const grantOfAda = async () => {
    const [grant] = await s.t.ctx.db.select().from(grants).where(eq(grants.userId, ada.user.id));
    return { userId: ada.user.id, grantId: grant?.id ?? "" };
  };
  const refreshed = async () => refusalOf(await other.c.refresh(app, tokens.refresh_token));

  // So that whatever an instance remembers, it remembers this token as good.
  beforeEach(async () => {
    expect((await judge(tokens.access_token, other)).mcp).toBe(200);
  });

  it("a disabled client", async () => {
    await s.setClientStatus(app, "disabled");
    expect(await judge(tokens.access_token, other)).toEqual(DEAD);
    aSecondLater();
    expect(await refreshed()).toEqual({ status: 401, error: "invalid_client" });
    await s.setClientStatus(app, "active");
    // What the app held is dead; what the person allowed is not, once the operator lets the app go on.
    expect(await judge(tokens.access_token, other)).toEqual(DEAD);
    for (const { t } of [s, other]) t.advance(1);
    const { access_token } = await tokensOf(await other.c.refresh(app, tokens.refresh_token));
    expect((await judge(access_token, other)).mcp).toBe(200);
  });

  it("a disabled service", async () => {
    const service = await s.createService({ scope: "mcp:tools" });
    const grant = { grant_type: "client_credentials", resource: MCP };
    const { access_token } = await (await s.c.token(service, grant)).json();
    expect((await judge(access_token, other)).mcp).toBe(200);
    await s.setClientStatus(service, "disabled");
    expect(await judge(access_token, other)).toEqual(DEAD);
    aSecondLater();
    expect(await refusalOf(await other.c.token(service, grant))).toEqual({
      status: 401,
      error: "invalid_client",
    });
  });

  it("a stopped app", async () => {
    await stopGrant(s.t.ctx, await grantOfAda());
    expect(await judge(tokens.access_token, other)).toEqual(DEAD);
    expect(await refreshed()).toEqual({ status: 400, error: "invalid_grant" });
  });

  it("a disabled person", async () => {
    await s.t.ctx.db.update(users).set({ status: "disabled" }).where(eq(users.id, ada.user.id));
    expect(await judge(tokens.access_token, other)).toEqual(DEAD);
    expect(await refreshed()).toEqual({ status: 400, error: "invalid_grant" });
  });

  it("a revoked access token, and it alone", async () => {
    await s.c.form("/revoke", { token: tokens.access_token, client_id: app.clientId });
    expect(await judge(tokens.access_token, other)).toEqual(DEAD);
    expect((await other.c.refresh(app, tokens.refresh_token)).status).toBe(200);
  });

  it("a narrowed grant", async () => {
    const resource = await s.createResource(["read", "write"]);
    const wide = await s.c.tokensFor(app, { resource }, { person: ada });
    const [grant] = await s.t.ctx.db.select().from(grants).where(eq(grants.resource, resource));
    await narrowGrant(s.t.ctx, { userId: ada.user.id, grantId: grant?.id ?? "", keep: ["read"] });
    expect((await other.introspect(wide.access_token)).scope).toBe("read");
    expect((await other.introspect(wide.refresh_token)).scope).toBe("read");
    const response = await other.c.refresh(app, wide.refresh_token);
    expect((await response.json()).scope).toBe("read");
  });
});
