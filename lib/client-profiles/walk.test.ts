import { describe, expect, it } from "vitest";
import { type WalkAnswer, type WalkRequest, WalkStopped } from "./answers";
import { claudeCode } from "./claude-code";
import { cursor } from "./cursor";
import { geminiCli } from "./gemini-cli";
import type { ClientProfile } from "./profile";
import { walk } from "./walk";

const MCP = "https://notes.example.com/mcp";
const ISSUER = "https://auth.example.com";
const RESOURCE = { resource: MCP, authorization_servers: [ISSUER], scopes_supported: ["notes:read"] };
const SERVER = {
  issuer: ISSUER,
  authorization_endpoint: `${ISSUER}/authorize`,
  token_endpoint: `${ISSUER}/token`,
  registration_endpoint: `${ISSUER}/register`,
  scopes_supported: ["notes:read", "offline_access"],
  code_challenge_methods_supported: ["S256"],
  token_endpoint_auth_methods_supported: ["none"],
  authorization_response_iss_parameter_supported: true,
  client_id_metadata_document_supported: true,
};
const CHALLENGE = `Bearer resource_metadata="https://notes.example.com/.well-known/oauth-protected-resource/mcp", scope="notes:read"`;
const TOKENS = {
  access_token: "at",
  token_type: "Bearer",
  expires_in: 60,
  refresh_token: "rt",
  scope: "notes:read",
};

type Servers = Partial<Record<WalkRequest["step"] | "resource" | "server", WalkAnswer>>;

const answer = (status: number, body: unknown, headers: Record<string, string> = {}): WalkAnswer => ({
  status,
  headers: new Headers(headers),
  body: typeof body === "string" ? body : JSON.stringify(body),
});
const redirect = (query: string) => answer(303, "", { location: `http://localhost:58135/callback?${query}` });
const state = encodeURIComponent(claudeCode.authorize.state);

/** A server on another host than its resource, where all is well but for what a test says. */
const servers = (broken: Servers): Required<Servers> => ({
  challenge: answer(401, {}, { "www-authenticate": CHALLENGE }),
  discovery: answer(404, ""),
  resource: answer(200, RESOURCE),
  server: answer(200, SERVER),
  registration: answer(201, { client_id: "dyn", token_endpoint_auth_method: "none" }),
  authorization: redirect(`code=c&state=${state}&iss=${encodeURIComponent(ISSUER)}`),
  code: answer(200, TOKENS),
  refresh: answer(200, TOKENS),
  call: answer(200, {}),
  ...broken,
});

function run(profile: ClientProfile, broken: Servers = {}): WalkRequest[] {
  const answers = servers(broken);
  const walking = walk(profile, {
    mcpServer: MCP,
    redirectUri: "http://localhost:58135/callback",
    // The pair of RFC 7636, appendix B.
    verifier: "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
    sign: ({ aud }) => `signed for ${aud}`,
  });
  const requests: WalkRequest[] = [];
  for (let step = walking.next(); !step.done; ) {
    requests.push(step.value);
    step = walking.next(answers[kindOf(step.value)]);
  }
  return requests;
}

/** Which document a discovery request is for; those at the resource's host for a server's find nothing. */
function kindOf({ step, url }: WalkRequest): keyof Servers {
  if (step !== "discovery") return step;
  if (url.endsWith("/oauth-protected-resource/mcp")) return "resource";
  return url.startsWith(ISSUER) ? "server" : "discovery";
}

describe("the walk of a client", () => {
  it("goes on where a server lives on another host and not every document is there", () => {
    expect(run(claudeCode).map(({ step, method, url }) => `${step} ${method} ${url.split("?")[0]}`)).toEqual([
      `challenge POST ${MCP}`,
      "discovery GET https://notes.example.com/.well-known/oauth-protected-resource/mcp",
      "discovery GET https://notes.example.com/.well-known/oauth-protected-resource",
      "discovery GET https://auth.example.com/.well-known/oauth-authorization-server",
      "discovery GET https://auth.example.com/.well-known/openid-configuration",
      "authorization GET https://auth.example.com/authorize",
      "code POST https://auth.example.com/token",
      `call POST ${MCP}`,
      "refresh POST https://auth.example.com/token",
      `call POST ${MCP}`,
    ]);
  });

  it("asks in the client's own words", () => {
    const request = run(claudeCode).find(({ step }) => step === "authorization");
    const params = new URL(request?.url ?? "").searchParams;
    expect(Object.fromEntries(params)).toEqual({
      response_type: "code",
      client_id: "https://claude.ai/oauth/claude-code-client-metadata",
      redirect_uri: "http://localhost:58135/callback",
      code_challenge: "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
      code_challenge_method: "S256",
      state: claudeCode.authorize.state,
      scope: "notes:read offline_access",
      resource: MCP,
    });
  });

  const { registration_endpoint: _, ...closed } = SERVER;
  const stops: [string, ClientProfile, Servers, WalkRequest["step"], string][] = [
    [
      "a call without a token is served",
      claudeCode,
      { challenge: answer(200, {}) },
      "challenge",
      "answered 200, not 401",
    ],
    [
      "the 401 says nothing",
      claudeCode,
      { challenge: answer(401, {}) },
      "challenge",
      "names no resource_metadata",
    ],
    [
      "the resource is another",
      geminiCli,
      { resource: answer(200, { ...RESOURCE, resource: `${MCP}/` }) },
      "discovery",
      `say they are for ${MCP}/`,
    ],
    [
      "a page stands where JSON should",
      claudeCode,
      { server: answer(200, "<html>") },
      "discovery",
      "not JSON",
    ],
    [
      "the issuer has a slash more",
      claudeCode,
      { server: answer(200, { ...SERVER, issuer: `${ISSUER}/` }) },
      "discovery",
      `name another issuer, ${ISSUER}/`,
    ],
    [
      "PKCE is not offered",
      claudeCode,
      { server: answer(200, { ...SERVER, code_challenge_methods_supported: [] }) },
      "discovery",
      "do not list S256",
    ],
    [
      "no metadata are found",
      claudeCode,
      { server: answer(404, "") },
      "discovery",
      "No authorization server metadata",
    ],
    [
      "documents are not taken",
      claudeCode,
      { server: answer(200, { ...SERVER, client_id_metadata_document_supported: false }) },
      "registration",
      "does not offer client metadata documents",
    ],
    [
      "nobody may register",
      cursor,
      { server: answer(200, closed) },
      "registration",
      "no registration endpoint",
    ],
    [
      "a public client gets a secret",
      cursor,
      {
        registration: answer(201, {
          client_id: "dyn",
          client_secret: "s",
          token_endpoint_auth_method: "none",
        }),
      },
      "registration",
      "does not fit",
    ],
    [
      "the person stays on a page",
      claudeCode,
      { authorization: answer(400, "") },
      "authorization",
      "not sent back to the app (status 400)",
    ],
    [
      "the person refuses",
      claudeCode,
      { authorization: redirect(`error=access_denied&state=${state}`) },
      "authorization",
      "sent access_denied",
    ],
    [
      "the state is another",
      claudeCode,
      { authorization: redirect("code=c&state=s") },
      "authorization",
      "state came back changed",
    ],
    [
      "iss is missing",
      claudeCode,
      { authorization: redirect(`code=c&state=${state}`) },
      "authorization",
      `iss is null and not ${ISSUER}`,
    ],
    [
      "expires_in is text",
      claudeCode,
      { code: answer(200, { ...TOKENS, expires_in: "60" }) },
      "code",
      "expires_in",
    ],
    [
      "a refresh gives no refresh token",
      claudeCode,
      { refresh: answer(200, { ...TOKENS, refresh_token: undefined }) },
      "refresh",
      "refresh_token",
    ],
    ["the token is not taken", claudeCode, { call: answer(401, {}) }, "call", "answered the token with 401"],
  ];

  it.each(stops)("stops where %s", (_what, profile, broken, step, words) => {
    const stopped = expect(() => run(profile, broken));
    stopped.toThrow(WalkStopped);
    stopped.toThrow(expect.objectContaining({ step, message: expect.stringContaining(words) }));
  });
});
