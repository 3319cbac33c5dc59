import { createHash } from "node:crypto";
import { CompactSign, calculateJwkThumbprint, exportJWK, generateKeyPair } from "jose";
import { GRANT_TYPES } from "@/lib/oauth/token-types";
import { type App, basic, type Code, type Connection, type Tokens, tokensOf } from "./client";
import { type TestContext, unique } from "./context";

type Json = Record<string, unknown>;
type Fields = Record<string, string | readonly string[] | undefined>;

/** What a proof is for: a POST to the token endpoint unless told otherwise; `changes` go over its claims, `header` over its header. */
type Proof = {
  path?: string;
  method?: string;
  accessToken?: string;
  nonce?: string;
  changes?: Json;
  header?: Json;
};

export type KeyHolder = Awaited<ReturnType<typeof keyHolder>>;

/** The base64url SHA-256 of an access token (RFC 9449 §4.2). */
export const athOf = (accessToken: string): string =>
  createHash("sha256").update(accessToken).digest("base64url");

const MCP = { "content-type": "application/json", accept: "application/json, text/event-stream" };
const initialize = {
  jsonrpc: "2.0",
  id: 1,
  method: "initialize",
  params: { protocolVersion: "2025-06-18", capabilities: {}, clientInfo: { name: "t", version: "1" } },
};

/** Somebody who holds a key pair and proves it to a server; the proofs are made by jose, not by us. */
export async function keyHolder({ t, c }: { t: TestContext; c: Connection }, alg = "ES256") {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
  const jwk = await exportJWK(publicKey);
  const jkt = await calculateJwkThumbprint(jwk);
  const { serverUrl } = t.ctx.settings;

  /** Signs this text as the payload of a proof, whatever it is. */
  const sign = (payload: string, header: Json = {}): Promise<string> =>
    new CompactSign(new TextEncoder().encode(payload))
      .setProtectedHeader({ typ: "dpop+jwt", alg, jwk, ...header })
      .sign(privateKey);

  /** The claims of a proof of this moment (RFC 9449 §4.2); undefined in `changes` leaves one out. */
  function claims({ path = "/token", method = "POST", accessToken, nonce, changes }: Proof = {}): Json {
    const iat = Math.floor(t.ctx.now().getTime() / 1000);
    const own = { jti: unique("jti-"), htm: method, htu: `${serverUrl}${path}`, iat };
    return { ...own, nonce, ...(accessToken && { ath: athOf(accessToken) }), ...changes };
  }

  const proof = (of: Proof = {}): Promise<string> => sign(JSON.stringify(claims(of)), of.header);

  /** A request of an app with this proof, or with a new one. */
  async function form(path: string, app: App, fields: Fields, given?: string): Promise<Response> {
    const dpop = given ?? (await proof({ path }));
    return app.secret
      ? c.form(path, fields, { ...basic(app), dpop })
      : c.form(path, { client_id: app.clientId, ...fields }, { dpop });
  }

  const token = (app: App, fields: Fields, given?: string) => form("/token", app, fields, given);

  const redeem = (app: App, { code, verifier }: Code, fields: Fields = {}) =>
    token(app, { grant_type: "authorization_code", code, code_verifier: verifier, ...fields });

  const refresh = (app: App, refreshToken: string, fields: Fields = {}) =>
    token(app, { grant_type: "refresh_token", refresh_token: refreshToken, ...fields });

  /** An access token of an app that acts for itself. */
  const ownToken = async (app: App, fields: Fields = {}): Promise<string> =>
    (await tokensOf(await token(app, { grant_type: "client_credentials", ...fields }))).access_token;

  /** Tokens for an app, with the consent of a person, bound to this key. */
  const tokensFor = async (app: App, params: Fields = {}, by = {}): Promise<Tokens> =>
    tokensOf(await redeem(app, await c.codeFor(app, params, by)));

  const exchange = (app: App, subjectToken: string, fields: Fields = {}) =>
    token(app, { grant_type: GRANT_TYPES.tokenExchange, subject_token: subjectToken, ...fields });

  /** What /mcp answers to a token, with a new proof unless one is given; null sends none. */
  async function mcp(accessToken: string, given?: string | null, scheme = "DPoP"): Promise<Response> {
    const dpop = given === undefined ? await proof({ path: "/mcp", accessToken }) : given;
    const headers = { ...MCP, authorization: `${scheme} ${accessToken}`, ...(dpop !== null && { dpop }) };
    return c.call("/mcp", { method: "POST", body: JSON.stringify(initialize), headers });
  }

  return {
    ...{ alg, jwk, jkt, privateKey, claims, sign, proof },
    ...{ form, token, redeem, refresh, ownToken, tokensFor, exchange, mcp },
  };
}
