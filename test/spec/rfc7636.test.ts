import { beforeAll, describe, expect, it } from "vitest";
import { type App, type Connection, connect, pkce, refusalOf } from "@/test/support/client";
import { testContext } from "@/test/support/context";

let c: Connection;
let app: App;

beforeAll(async () => {
  c = connect(await testContext());
  app = await c.registerPublic();
});

const errorOf = async (params: Record<string, string | undefined>, client: App = app) =>
  (await c.answerFor(client, params)).searchParams.get("error");

describe("RFC 7636 Proof Key for Code Exchange", () => {
  it("§4.4.1: a request without code_challenge is refused, also of a confidential client", async () => {
    const absent = { code_challenge: undefined, code_challenge_method: undefined };
    expect(await errorOf(absent)).toBe("invalid_request");
    expect(await errorOf(absent, await c.registerConfidential())).toBe("invalid_request");
  });

  it("§4.3: plain is refused, and so is no method, which would mean plain", async () => {
    expect(await errorOf({ code_challenge_method: "plain" })).toBe("invalid_request");
    expect(await errorOf({ code_challenge_method: undefined })).toBe("invalid_request");
  });

  it("§4.2: a challenge that cannot be a SHA-256 in base64url is refused", async () => {
    const { challenge } = pkce();
    expect(await errorOf({ code_challenge: challenge.slice(1) })).toBe("invalid_request");
    expect(await errorOf({ code_challenge: `${challenge}=` })).toBe("invalid_request");
    expect(await errorOf({ code_challenge: challenge.replace(/.$/, "+") })).toBe("invalid_request");
  });

  it("§4.6: the verifier of the challenge redeems the code", async () => {
    expect((await c.redeem(app, await c.codeFor(app))).status).toBe(200);
  });

  const malformed: [string, string | undefined][] = [
    ["missing", undefined],
    ["42 characters long", "a".repeat(42)],
    ["129 characters long", "a".repeat(129)],
    ["of other characters", `${"a".repeat(43)}+`],
  ];
  it.each(malformed)(
    "§4.1: a verifier that is %s is invalid_request, and the code lives",
    async (_, verifier) => {
      const code = await c.codeFor(app);
      expect(await refusalOf(await c.redeem(app, code, { code_verifier: verifier }))).toEqual({
        status: 400,
        error: "invalid_request",
      });
      expect((await c.redeem(app, code)).status).toBe(200);
    },
  );

  it("§4.6: a wrong verifier is invalid_grant; the right one still works after four of them", async () => {
    const code = await c.codeFor(app);
    for (let tries = 0; tries < 4; tries++) {
      expect(await refusalOf(await c.redeem(app, { ...code, verifier: pkce().verifier }))).toEqual({
        status: 400,
        error: "invalid_grant",
      });
    }
    expect((await c.redeem(app, code)).status).toBe(200);
  });

  it("§7.1: five wrong verifiers burn the code", async () => {
    const code = await c.codeFor(app);
    for (let tries = 0; tries < 5; tries++) await c.redeem(app, { ...code, verifier: pkce().verifier });
    expect(await refusalOf(await c.redeem(app, code))).toEqual({ status: 400, error: "invalid_grant" });
  });

  it("§4.6: the challenge itself is no verifier", async () => {
    const { challenge } = pkce();
    const { code } = await c.codeFor(app, { code_challenge: challenge });
    expect(await refusalOf(await c.redeem(app, { code, verifier: challenge }))).toEqual({
      status: 400,
      error: "invalid_grant",
    });
  });

  it("the verifier of another code does not redeem this one (code injection)", async () => {
    const mine = await c.codeFor(app);
    const theirs = await c.codeFor(app);
    expect(await refusalOf(await c.redeem(app, { code: theirs.code, verifier: mine.verifier }))).toEqual({
      status: 400,
      error: "invalid_grant",
    });
  });
});
