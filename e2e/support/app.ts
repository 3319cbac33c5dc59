import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";

export type App = {
  name: string;
  host: string;
  /** Registers at a server and returns an authorization request there. */
  ask(server: string, parameters?: Readonly<Record<string, string>>): Promise<string>;
  /** Redeems the code of an answer. */
  redeem(server: string, answer: URL): Promise<{ status: number; body: Record<string, unknown> }>;
  refresh(server: string, refreshToken: string): Promise<{ status: number; body: Record<string, unknown> }>;
  stop(): void;
};

/** Starts an app with a callback page on a port of its own, as one that runs on the person's machine has. */
export async function startApp(name: string): Promise<App> {
  const server = createServer((_, response) => {
    response.writeHead(200, { "content-type": "text/html; charset=utf-8" });
    response.end(
      `<!doctype html><html lang="en"><link rel="icon" href="data:,"><title>${name}</title><h1>Back in ${name}</h1>`,
    );
  }).listen(0, "localhost");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("The system gave no port.");
  const host = `localhost:${address.port}`;
  const redirectUri = `http://${host}/callback`;
  const verifier = randomBytes(32).toString("base64url");
  let clientId = "";

  const register = async (issuer: string) => {
    const response = await fetch(`${issuer}/register`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({
        client_name: name,
        redirect_uris: [redirectUri],
        grant_types: ["authorization_code", "refresh_token"],
        token_endpoint_auth_method: "none",
      }),
    });
    const body: { client_id: string } = await response.json();
    return body.client_id;
  };
  const token = async (issuer: string, fields: Record<string, string>) => {
    const body = new URLSearchParams({ client_id: clientId, ...fields });
    const response = await fetch(`${issuer}/token`, { method: "POST", body });
    return { status: response.status, body: await response.json() };
  };
  return {
    name,
    host,
    async ask(issuer, parameters = {}) {
      clientId ||= await register(issuer);
      const query = new URLSearchParams({
        response_type: "code",
        client_id: clientId,
        redirect_uri: redirectUri,
        code_challenge: createHash("sha256").update(verifier).digest("base64url"),
        code_challenge_method: "S256",
        state: "state-of-the-app",
        resource: `${issuer}/mcp`,
        ...parameters,
      });
      return `${issuer}/authorize?${query}`;
    },
    redeem: (issuer, answer) =>
      token(issuer, {
        grant_type: "authorization_code",
        code: answer.searchParams.get("code") ?? "",
        code_verifier: verifier,
        redirect_uri: redirectUri,
      }),
    refresh: (issuer, refreshToken) =>
      token(issuer, { grant_type: "refresh_token", refresh_token: refreshToken }),
    stop() {
      server.close();
      server.closeAllConnections();
    },
  };
}
