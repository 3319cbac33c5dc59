import { describe, expect, it } from "vitest";
import { clientAndRedirect, parseAuthorizationRequest, stateOf } from "./authorization-request";

const CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const BASE = `response_type=code&client_id=dyn_1&code_challenge=${CHALLENGE}&code_challenge_method=S256`;
const parse = (query: string) => parseAuthorizationRequest(new URLSearchParams(query));

describe("clientAndRedirect", () => {
  it.each([
    [
      "client_id=dyn_1&redirect_uri=https%3A%2F%2Fa.ex%2Fcb",
      { clientId: "dyn_1", redirectUri: "https://a.ex/cb" },
    ],
    ["client_id=dyn_1", { clientId: "dyn_1", redirectUri: undefined }],
    ["client_id=dyn_1&redirect_uri=&state=a&state=b", { clientId: "dyn_1", redirectUri: undefined }],
  ])("reads %s", (query, expected) => {
    expect(clientAndRedirect(new URLSearchParams(query))).toEqual(expected);
  });

  const brokenLink = (why: string) =>
    `This link does not work: ${why}. Go back to the app and start again there.`;
  const noApp = brokenLink("it does not say, or not legibly, which app sent you (client_id)");
  it.each([
    ["", noApp],
    ["client_id=", noApp],
    ["client_id=a%00", noApp],
    [`client_id=${"x".repeat(2049)}`, noApp],
    ["client_id=a&client_id=a", brokenLink("it says more than once which app sent you (client_id)")],
    [
      "client_id=a&redirect_uri=b&redirect_uri=b",
      brokenLink("it says more than once where to send your answer (redirect_uri)"),
    ],
  ])("refuses %j", (query, description) => {
    expect(() => clientAndRedirect(new URLSearchParams(query))).toThrow(
      expect.objectContaining({ code: "invalid_request", description }),
    );
  });
});

describe("parseAuthorizationRequest", () => {
  it("reads the least a client may send, and ignores what it does not know", () => {
    expect(parse(`${BASE}&foo=bar&scope=&resource=&prompt=&max_age=`)).toEqual({
      responseType: "code",
      state: undefined,
      codeChallenge: CHALLENGE,
      scope: undefined,
      resources: [],
      nonce: undefined,
      prompt: [],
      maxAge: undefined,
      acrValues: [],
    });
  });

  it("reads everything a client may send", () => {
    const query =
      "&state=s&scope=b%20a&resource=https://h/mcp&nonce=n&prompt=login%20consent&max_age=0&response_mode=query";
    expect(parse(`${BASE}${query}`)).toEqual({
      responseType: "code",
      state: "s",
      codeChallenge: CHALLENGE,
      scope: ["b", "a"],
      resources: ["https://h/mcp"],
      nonce: "n",
      prompt: ["login", "consent"],
      maxAge: 0,
      acrValues: [],
    });
  });

  it("takes the resource that ChatGPT sends twice, once", () => {
    expect(parse(`${BASE}&resource=https://h&resource=https://h/`).resources).toEqual(["https://h"]);
  });

  it.each(["state=a", "scope=a", "nonce=a", "prompt=login", "max_age=1", "response_mode=query", "unknown=1"])(
    "security 9: refuses %s twice",
    (pair) => {
      expect(() => parse(`${BASE}&${pair}&${pair}`)).toThrow(
        expect.objectContaining({
          code: "invalid_request",
          description: "Send every parameter but resource only once",
        }),
      );
    },
  );

  it.each(["response_type=code", `code_challenge=${CHALLENGE}`, "code_challenge_method=S256"])(
    "security 9: refuses %s twice",
    (pair) => {
      expect(() => parse(`${BASE}&${pair}`)).toThrow("Send every parameter but resource only once");
    },
  );

  it.each(["token", "id_token", "code token", "none"])("security 14: refuses response_type=%s", (type) => {
    expect(() => parse(BASE.replace("response_type=code", `response_type=${type}`))).toThrow(
      expect.objectContaining({ code: "unsupported_response_type" }),
    );
  });

  it.each([
    ["no response_type", BASE.replace("response_type=code&", ""), "Send response_type=code"],
    ["form_post", `${BASE}&response_mode=form_post`, "Send response_mode=query, or leave it out"],
    ["fragment", `${BASE}&response_mode=fragment`, "Send response_mode=query, or leave it out"],
    ["web_message", `${BASE}&response_mode=web_message`, "Send response_mode=query, or leave it out"],
    [
      "a state of 4097 bytes",
      `${BASE}&state=${"é".repeat(2048)}a`,
      "Send state with at most 4096 bytes and without NUL",
    ],
    ["a state with NUL", `${BASE}&state=%00`, "Send state with at most 4096 bytes and without NUL"],
    ["a nonce with NUL", `${BASE}&nonce=%00`, "Send nonce with at most 4096 bytes and without NUL"],
    [
      "an unknown prompt",
      `${BASE}&prompt=create`,
      "Send prompt with values of: none, login, consent, select_account",
    ],
    ["none beside login", `${BASE}&prompt=none%20login`, "Send prompt=none alone"],
    ["a negative max_age", `${BASE}&max_age=-1`, "Send max_age as a whole number of seconds"],
    ["a fractional max_age", `${BASE}&max_age=1.5`, "Send max_age as a whole number of seconds"],
    ["an endless max_age", `${BASE}&max_age=${"9".repeat(10)}`, "Send max_age as a whole number of seconds"],
  ])("refuses %s", (_, query, description) => {
    expect(() => parse(query)).toThrow(expect.objectContaining({ code: "invalid_request", description }));
  });

  const form = "Send as code_challenge the base64url SHA-256 of the verifier: 43 characters";
  it.each([
    ["", "Send code_challenge and code_challenge_method=S256: code challenge required"],
    [
      "&code_challenge_method=S256",
      "Send code_challenge and code_challenge_method=S256: code challenge required",
    ],
    [`&code_challenge=${CHALLENGE}`, "Send code_challenge_method=S256"],
    [`&code_challenge=${CHALLENGE}&code_challenge_method=plain`, "Send code_challenge_method=S256"],
    [`&code_challenge=${CHALLENGE}&code_challenge_method=s256`, "Send code_challenge_method=S256"],
    [`&code_challenge=${CHALLENGE}&code_challenge_method=S512`, "Send code_challenge_method=S256"],
    ["&code_challenge=x&code_challenge_method=S256", form],
    [`&code_challenge=${CHALLENGE}%3D&code_challenge_method=S256`, form],
  ])("security 16, 17: refuses %j", (pkce, description) => {
    expect(() => parse(`response_type=code&client_id=a${pkce}`)).toThrow(
      expect.objectContaining({ code: "invalid_request", description }),
    );
  });

  it.each([
    ["scope=a%20%20b", "invalid_scope"],
    ["resource=https://h/%23f", "invalid_target"],
    ["resource=/mcp", "invalid_target"],
    ["resource=https://h/a&resource=https://h/b", "invalid_target"],
    ["request=eyJ", "request_not_supported"],
    ["request_uri=https://evil.ex", "request_uri_not_supported"],
  ])("refuses %s with %s", (query, code) => {
    expect(() => parse(`${BASE}&${query}`)).toThrow(expect.objectContaining({ code }));
  });
});

it.each([
  ["state=s", "s"],
  ["state=a%0D%0A%26code%3Dx", "a\r\n&code=x"],
  [`state=${"x".repeat(4096)}`, "x".repeat(4096)],
  [`state=${"x".repeat(4097)}`, undefined],
  ["state=a&state=b", undefined],
  ["state=", undefined],
  ["", undefined],
])("stateOf(%j) is %j", (query, state) => {
  expect(stateOf(new URLSearchParams(query))).toBe(state);
});
