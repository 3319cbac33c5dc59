import { createServer, type IncomingHttpHeaders } from "node:http";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { CommandError } from "../command";
import { verifyChain } from "./verify-chain";

const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
/** A token as far as anybody can tell who does not verify it. */
const tokenOf = (claims: unknown) => `${encode({ alg: "ES256" })}.${encode(claims)}.AAAA`;

const refusal = (options: Parameters<typeof verifyChain.run>[0]) =>
  verifyChain.run(options).then(
    () => [0, ""],
    ({ message, exitCode }: CommandError) => [exitCode, message],
  );

/** Refuses whatever it is asked, and keeps the headers. */
async function recorder() {
  const asked: IncomingHttpHeaders[] = [];
  const server = createServer(({ headers }, response) => {
    asked.push(headers);
    response.writeHead(400).end('{"error_description":"Asked."}');
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("it listens on no port");
  const close = () => {
    server.closeAllConnections();
    server.close();
  };
  return { asked, url: `http://127.0.0.1:${address.port}`, close };
}

describe("whom verify-chain asks", () => {
  const ELSEWHERE = "http://localhost:8001";
  const ADMIN_KEY = "a".repeat(32);
  const client = { "client-id": "agnt_1", "client-secret": "s" };
  let server: Awaited<ReturnType<typeof recorder>>;

  beforeEach(async () => {
    server = await recorder();
    vi.stubEnv("AUTHGENT_SERVER_URL", server.url);
    vi.stubEnv("AUTHGENT_ADMIN_API_KEY", ADMIN_KEY);
  });
  afterEach(() => {
    vi.unstubAllEnvs();
    server.close();
  });

  it("the configured server about a token of its own, with the operator's key", async () => {
    expect(await refusal({ token: tokenOf({ iss: server.url }) })).toEqual([2, "Asked."]);
    expect(server.asked.map((headers) => headers["x-admin-key"])).toEqual([ADMIN_KEY]);
  });

  it("nobody about a token of another server", async () => {
    expect(await refusal({ token: tokenOf({ iss: ELSEWHERE }), ...client })).toEqual([
      2,
      `This token is of ${ELSEWHERE}, and I would ask ${server.url}. Pass --issuer ${ELSEWHERE}.`,
    ]);
    expect(server.asked).toEqual([]);
  });

  it("by default the server that runs here", async () => {
    vi.stubEnv("AUTHGENT_SERVER_URL", undefined);
    expect(await refusal({ token: tokenOf({ iss: ELSEWHERE }) })).toEqual([
      2,
      `This token is of ${ELSEWHERE}, and I would ask http://localhost:8000. Pass --issuer ${ELSEWHERE}.`,
    ]);
  });

  it("nobody where --issuer is not the token's", async () => {
    const options = { token: tokenOf({ iss: ELSEWHERE }), issuer: server.url, ...client };
    expect(await refusal(options)).toEqual([
      2,
      `This token is of ${ELSEWHERE}, and I would ask ${server.url}. Pass --issuer ${ELSEWHERE}.`,
    ]);
    expect(server.asked).toEqual([]);
  });

  it("the server of --issuer, as the client, and without the operator's key", async () => {
    vi.stubEnv("AUTHGENT_SERVER_URL", ELSEWHERE);
    const options = { token: tokenOf({ iss: server.url }), issuer: server.url };
    expect([await refusal({ ...options, ...client }), await refusal(options)]).toEqual([
      [2, "Asked."],
      [2, "Asked."],
    ]);
    expect(server.asked.map(({ authorization, "x-admin-key": key }) => ({ authorization, key }))).toEqual([
      { authorization: `Basic ${btoa("agnt_1:s")}`, key: undefined },
      { authorization: undefined, key: undefined },
    ]);
  });

  it("nobody whose answer somebody on the way can replace", async () => {
    const issuer = "http://auth.example.com";
    expect(await refusal({ token: tokenOf({ iss: issuer }), issuer, ...client })).toEqual([
      2,
      "Give --issuer as an https address.",
    ]);
  });

  it.each(["no token", "rt_abc", "a.b"])("nobody about %j, which is no compact JWS", async (token) => {
    expect(await refusal({ token })).toEqual([
      2,
      "TOKEN cannot be read, and nobody was asked: not a compact JWS.",
    ]);
    expect(server.asked).toEqual([]);
  });

  it.each([
    [{}],
    [[]],
    [{ iss: 1 }],
    [{ iss: "ada" }],
    [{ iss: "https://as.example; sh" }],
    [{ iss: "https://as.example/\u001b[2J" }],
  ])("nobody where the token names nobody, and repeats nothing of it: %j", async (claims) => {
    expect(await refusal({ token: tokenOf(claims) })).toEqual([
      2,
      "The token names no server that could be asked (iss). Pass --bundle.",
    ]);
    expect(server.asked).toEqual([]);
  });

  it("says what to do where nobody answers", async () => {
    vi.stubEnv("AUTHGENT_SERVER_URL", "http://127.0.0.1:9");
    expect(await refusal({ token: tokenOf({ iss: "http://127.0.0.1:9" }) })).toEqual([
      2,
      "http://127.0.0.1:9/receipts does not answer. Start the server, or pass --bundle to do without it.",
    ]);
  });

  it("nobody without a token", async () => {
    expect(await refusal({})).toEqual([2, "Give the token, or - to read it from standard input."]);
  });
});
