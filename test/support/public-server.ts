import { ADMIN_KEY, type App, connect, publicServer as publicEnvironment } from "./client";
import { type TestContext, testContext, unique } from "./context";

/** The environment of a server on the internet, and a busy one. */
export const PUBLIC_ENV = {
  ...publicEnvironment,
  AUTHGENT_TOKEN_RATE_LIMIT: "100000",
  AUTHGENT_REGISTER_RATE_LIMIT: "100000",
};

export type PublicServer = ReturnType<typeof operate>;

/** A server on the internet, and what its operator does there. */
export const publicServer = async (options: Parameters<typeof testContext>[0] = {}): Promise<PublicServer> =>
  operate(await testContext({ ...options, env: { ...PUBLIC_ENV, ...options.env } }));

/** Manages a server with its operator's key. */
export function operate(t: TestContext) {
  const c = connect(t);
  const operator = { "x-admin-key": ADMIN_KEY };

  /** An app that the operator registered; public, with an https redirect URI, unless told otherwise. */
  async function createApp(metadata: Record<string, unknown> = {}): Promise<App> {
    const response = await c.json(
      "/clients",
      {
        client_name: "Known app",
        redirect_uris: [`https://${unique("app")}.example/cb`],
        token_endpoint_auth_method: "none",
        ...metadata,
      },
      operator,
    );
    if (response.status !== 201) throw new Error(`not registered: ${await response.text()}`);
    const { client_id: clientId, client_secret: secret, redirect_uris: uris } = await response.json();
    return { clientId, redirectUri: uris[0] ?? "", ...(secret ? { secret } : {}) };
  }

  /** A client that acts for itself. */
  const createService = (metadata: Record<string, unknown> = {}): Promise<App> =>
    createApp({
      redirect_uris: [],
      token_endpoint_auth_method: "client_secret_basic",
      grant_types: ["client_credentials"],
      ...metadata,
    });

  /** A resource nobody else has, with scopes of low risk. */
  async function createResource(
    scopes: readonly string[],
    more: Record<string, unknown> = {},
  ): Promise<string> {
    const resource = `https://${unique("api")}.example/v1`;
    const named = scopes.map((name) => ({ name, description: `Do ${name}`, risk: "low" }));
    const response = await c.json(
      "/resources",
      { resource, name: "An API", scopes: named, ...more },
      operator,
    );
    if (response.status !== 201) throw new Error(`not created: ${await response.text()}`);
    return resource;
  }

  const setClientStatus = (app: App, status: "active" | "disabled") =>
    c.json(`/clients/one?client_id=${encodeURIComponent(app.clientId)}`, { status }, operator, "PATCH");

  /** What the operator is told about a token. */
  const introspect = async (token: string) =>
    (await c.form("/introspect", { token }, operator)).json() as Promise<Record<string, unknown>>;

  /** Whether a token still counts. */
  const isActive = async (token: string): Promise<unknown> => (await introspect(token)).active;

  return { t, c, operator, createApp, createService, createResource, setClientStatus, introspect, isActive };
}
