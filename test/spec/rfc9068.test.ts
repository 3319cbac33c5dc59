import { createLocalJWKSet, decodeJwt, decodeProtectedHeader, jwtVerify } from "jose";
import { beforeAll, describe, expect, it } from "vitest";
import { type Connection, connect, tokensOf } from "@/test/support/client";
import { testContext } from "@/test/support/context";

let c: Connection;

beforeAll(async () => {
  c = connect(await testContext());
});

const NAMES_OF_A_PERSON = [
  "acr",
  "amr",
  "aud",
  "auth_time",
  "client_id",
  "exp",
  "iat",
  "iss",
  "jti",
  "scope",
  "sub",
];

describe("RFC 9068 JWT Profile for OAuth 2.0 Access Tokens", () => {
  it("§2.1: typ is at+jwt, alg is asymmetric, kid names a published key", async () => {
    const { access_token } = await c.tokensFor(await c.registerPublic());
    const header = decodeProtectedHeader(access_token);
    expect(Object.keys(header).sort()).toEqual(["alg", "kid", "typ"]);
    expect([header.alg, header.typ]).toEqual(["ES256", "at+jwt"]);
    const { keys } = await (await c.call("/.well-known/jwks.json")).json();
    expect(keys.map(({ kid }: { kid: string }) => kid)).toContain(header.kid);
  });

  it("§4: an ordinary JWT library verifies it with the published keys", async () => {
    const { access_token } = await c.tokensFor(await c.registerPublic());
    const keys = createLocalJWKSet(await (await c.call("/.well-known/jwks.json")).json());
    const { payload } = await jwtVerify(access_token, keys, {
      issuer: "http://localhost:8000",
      audience: "http://localhost:8000",
      typ: "at+jwt",
    });
    expect(payload.iss).toBe("http://localhost:8000");
  });

  it("§2.2: a person's token has the required claims, and those of the sign-in (§2.2.1)", async () => {
    const person = await c.signIn();
    const app = await c.registerPublic();
    const { access_token } = await c.tokensFor(app, {}, { person });
    const claims = decodeJwt(access_token);
    expect(Object.keys(claims).sort()).toEqual(NAMES_OF_A_PERSON);
    expect([claims.sub, claims.client_id, claims.scope, claims.amr]).toEqual([
      `user:${person.user.id}`,
      app.clientId,
      "account:read",
      ["pwd"],
    ]);
    expect((claims.exp ?? 0) - (claims.iat ?? 0)).toBe(3600);
  });

  it("§2.2: a client's own token has the client as sub, told apart from people, and no sign-in", async () => {
    const service = await c.registerConfidential({ grant_types: ["client_credentials"] });
    const { access_token } = await tokensOf(await c.token(service, { grant_type: "client_credentials" }));
    const claims = decodeJwt(access_token);
    expect(Object.keys(claims).sort()).toEqual(
      NAMES_OF_A_PERSON.filter((name) => name !== "acr" && name !== "amr" && name !== "auth_time"),
    );
    expect([claims.sub, claims.client_id]).toEqual([`client:${service.clientId}`, service.clientId]);
  });

  it("§2.2: jti is never the same twice", async () => {
    const service = await c.registerConfidential({ grant_types: ["client_credentials"] });
    const ids = await Promise.all(
      Array.from({ length: 20 }, async () => {
        const tokens = await tokensOf(await c.token(service, { grant_type: "client_credentials" }));
        return decodeJwt(tokens.access_token).jti;
      }),
    );
    expect(new Set(ids).size).toBe(20);
  });

  it("§2.2.1: a refreshed token keeps the time of the sign-in", async () => {
    const t = await testContext();
    const own = connect(t);
    const app = await own.registerPublic();
    const first = await own.tokensFor(app);
    t.advance(500);
    const second = await tokensOf(await own.refresh(app, first.refresh_token));
    const [before, after] = [decodeJwt(first.access_token), decodeJwt(second.access_token)];
    expect(after.auth_time).toBe(before.auth_time);
    expect((after.iat ?? 0) - (before.iat ?? 0)).toBe(500);
  });
});
