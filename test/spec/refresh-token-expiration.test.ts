import { beforeAll, describe, expect, it } from "vitest";
import { type App, type Connection, connect, refusalOf, type Tokens, tokensOf } from "@/test/support/client";
import { type TestContext, testContext } from "@/test/support/context";

const DAY = 86_400;

let t: TestContext;
let c: Connection;
let app: App;

/** The example of the draft: a refresh token is to be used every seven days, the permission lasts ten. */
const ENV = { AUTHGENT_REFRESH_TOKEN_TTL: String(7 * DAY), AUTHGENT_REFRESH_TOKEN_MAX_AGE: String(10 * DAY) };

beforeAll(async () => {
  t = await testContext({ env: ENV });
  c = connect(t);
  app = await c.registerPublic();
});

type Ends = Pick<Tokens, "refresh_token_timeout" | "authorization_expires_in">;
const endsOf = ({ refresh_token_timeout, authorization_expires_in }: Ends) => [
  refresh_token_timeout,
  authorization_expires_in,
];
const refreshed = async (refreshToken: string) => tokensOf(await c.refresh(app, refreshToken));

describe("draft-ietf-oauth-refresh-token-expiration-03", () => {
  it("§6.1, §6.4: every answer with a refresh token says when that and the permission end", async () => {
    const day0 = await c.tokensFor(app);
    expect(endsOf(day0)).toEqual([7 * DAY, 10 * DAY]);
    t.advance(2 * DAY);
    const day2 = await refreshed(day0.refresh_token);
    expect(endsOf(day2)).toEqual([7 * DAY, 8 * DAY]);
    t.advance(5 * DAY);
    const day7 = await refreshed(day2.refresh_token);
    expect(endsOf(day7)).toEqual([3 * DAY, 3 * DAY]);
  });

  it("§6.3: held too long, it is invalid_grant although the permission stands", async () => {
    const { refresh_token } = await c.tokensFor(app);
    t.advance(7 * DAY);
    expect(await refusalOf(await c.refresh(app, refresh_token))).toEqual({
      status: 400,
      error: "invalid_grant",
    });
  });

  it("§5: no access token lives longer than the permission", async () => {
    const first = await c.tokensFor(app);
    t.advance(6 * DAY);
    const second = await refreshed(first.refresh_token);
    t.advance(4 * DAY - 600);
    const last = await refreshed(second.refresh_token);
    expect([last.expires_in, ...endsOf(last)]).toEqual([600, 600, 600]);
    t.advance(600);
    expect(await c.introspect(last.access_token)).toEqual({ active: false });
  });

  it("§6.1: a repeat within the overlap has the answer it had (D10)", async () => {
    const { refresh_token } = await c.tokensFor(app);
    const first = await refreshed(refresh_token);
    t.advance(30);
    expect(await refreshed(refresh_token)).toEqual(first);
  });

  it("§6.1: where there is no refresh token, nothing is said of one", async () => {
    const service = await c.registerConfidential({ redirect_uris: [], grant_types: ["client_credentials"] });
    const answer = await tokensOf(await c.token(service, { grant_type: "client_credentials" }));
    expect(endsOf(answer)).toEqual([undefined, undefined]);
  });

  it("§7: introspection says what is left, and resets nothing", async () => {
    const own = await c.registerConfidential();
    const { refresh_token, access_token } = await c.tokensFor(own);
    const look = async () =>
      (
        await c.form("/introspect", {
          token: refresh_token,
          client_id: own.clientId,
          client_secret: own.secret,
        })
      ).json();
    expect(endsOf(await look())).toEqual([7 * DAY, 10 * DAY]);
    t.advance(DAY);
    expect(endsOf(await look())).toEqual([6 * DAY, 9 * DAY]);
    expect(endsOf(await look())).toEqual([6 * DAY, 9 * DAY]);
    expect(endsOf(await c.introspect(access_token))).toEqual([undefined, undefined]);
  });

  it("§8: the metadata name both kinds of end", async () => {
    const metadata = await (await c.call("/.well-known/oauth-authorization-server")).json();
    expect(metadata.refresh_token_expiration_types_supported).toEqual(["authorization", "token_timeout"]);
  });
});
