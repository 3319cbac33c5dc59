import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { CompactSign, exportJWK, generateKeyPair, type JWK } from "jose";
import { unique } from "./context";

const DISCOVERY = "/.well-known/openid-configuration";

type Json = Record<string, unknown>;
export type SigningKey = { kid: string; alg: string; privateKey: CryptoKey; publicJwk: JWK };

/** A key pair of somebody else's. */
export async function newForeignKey(kid: string, alg = "ES256"): Promise<SigningKey> {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
  return { kid, alg, privateKey, publicJwk: { ...(await exportJWK(publicKey)), kid, alg, use: "sig" } };
}

/** Signs a payload as an issuer does, or as one never would. */
export const signAs = (key: SigningKey, claims: Json, header: Json = {}): Promise<string> =>
  new CompactSign(new TextEncoder().encode(JSON.stringify(claims)))
    .setProtectedHeader({ alg: key.alg, kid: key.kid, typ: "JWT", ...header })
    .sign(key.privateKey);

export type ForeignIssuer = Awaited<ReturnType<typeof foreignIssuer>>;

/**
 * Another issuer of tokens, on a loopback port of its own: its metadata, its keys, and what was asked of it. Ports
 * come back, so its name also has a path that nobody else has.
 */
export async function foreignIssuer() {
  const path = `/${unique()}`;
  const server = createServer((request, response) => answer(request, response));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const issuer = `${origin}${path}`;
  const jwksUri = `${issuer}/jwks`;
  const key = await newForeignKey("k1");

  const state = {
    /** What it signs with. */
    key,
    /** What it publishes. */
    keys: [key.publicJwk] as readonly Json[],
    /** Every path that was asked for. */
    asked: [] as string[],
    /** Answers by path, instead of its own. */
    answers: {} as Record<string, (response: ServerResponse) => unknown>,
    metadata: { issuer, jwks_uri: jwksUri } as Json,
  };

  function answer({ url = "" }: IncomingMessage, response: ServerResponse): void {
    state.asked.push(url);
    const own = state.answers[url];
    if (own) own(response);
    else if (url === `${path}${DISCOVERY}`) sendJson(response, state.metadata);
    else if (url === `${path}/jwks`) sendJson(response, { keys: state.keys });
    else response.writeHead(404).end();
  }

  return {
    issuer,
    origin,
    path,
    jwksUri,
    state,
    sign: (claims: Json, header?: Json) => signAs(state.key, { iss: issuer, ...claims }, header),
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** Answers with JSON. */
export function sendJson(response: ServerResponse, body: unknown, type = "application/json"): void {
  response.writeHead(200, { "content-type": type }).end(JSON.stringify(body));
}
