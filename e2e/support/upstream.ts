import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import Provider from "oidc-provider";

/** What the provider says of a person, beside `sub`. */
export type Account = { name?: string; email?: string; email_verified?: boolean; groups?: string[] };

export type Upstream = {
  issuer: string;
  /** The settings of a server that signs people in here. */
  env: Readonly<Record<string, string>>;
  /** `prompt` of every authorization request so far; empty: none was sent. */
  prompts: readonly string[];
  stop(): void;
};

/** Starts an OpenID provider on loopback with one button for each account, and one to cancel. */
export async function startUpstream(
  callback: string,
  accounts: Readonly<Record<string, Account>>,
): Promise<Upstream> {
  const server = createServer().listen(0, "localhost");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("The system gave no port.");
  const issuer = `http://localhost:${address.port}`;
  const prompts: string[] = [];
  const provider = newProvider(issuer, callback, accounts);
  const answer = provider.callback();
  server.on("request", (request: IncomingMessage, response: ServerResponse) => {
    const url = new URL(request.url ?? "/", issuer);
    if (url.pathname === "/auth") prompts.push(url.searchParams.get("prompt") ?? "");
    if (!url.pathname.startsWith("/interaction/")) {
      answer(request, response);
      return;
    }
    interact(provider, accounts, { request, response, url }).catch((error: unknown) => {
      response.writeHead(500).end(String(error));
    });
  });
  return {
    issuer,
    env: { UPSTREAM_ISSUER: issuer, UPSTREAM_CLIENT_ID: "authgent", UPSTREAM_CLIENT_SECRET: SECRET },
    prompts,
    stop() {
      server.close();
      server.closeAllConnections();
    },
  };
}

const SECRET = "only-for-tests-upstream-secret";
const CLAIMS = { openid: ["sub"], profile: ["name"], email: ["email", "email_verified", "groups"] };

function newProvider(issuer: string, callback: string, accounts: Readonly<Record<string, Account>>) {
  const provider: Provider = new Provider(issuer, {
    clients: [{ client_id: "authgent", client_secret: SECRET, redirect_uris: [callback] }],
    claims: CLAIMS,
    features: { devInteractions: { enabled: false } },
    interactions: { url: (_: unknown, { uid }: { uid: string }) => `/interaction/${uid}` },
    findAccount: (_: unknown, sub: string) => ({
      accountId: sub,
      claims: async () => ({ sub, ...accounts[sub] }),
    }),
    async loadExistingGrant({
      oidc,
    }: {
      oidc: { session: { accountId: string }; client: { clientId: string } };
    }) {
      const grant = new provider.Grant({
        accountId: oidc.session.accountId,
        clientId: oidc.client.clientId,
      });
      grant.addOIDCScope("openid profile email");
      await grant.save();
      return grant;
    },
  });
  return provider;
}

type Visit = { request: IncomingMessage; response: ServerResponse; url: URL };

async function interact(
  provider: Provider,
  accounts: Readonly<Record<string, Account>>,
  { request, response, url }: Visit,
): Promise<void> {
  const { uid } = await provider.interactionDetails(request, response);
  const accountId = url.searchParams.get("as");
  if (accountId) await provider.interactionFinished(request, response, { login: { accountId } });
  else if (url.searchParams.has("cancel")) {
    const refusal = { error: "access_denied", error_description: "The person cancelled." };
    await provider.interactionFinished(request, response, refusal);
  } else {
    const links = Object.keys(accounts).map(
      (sub) => `<a href="/interaction/${uid}?as=${sub}">Sign in as ${sub}</a>`,
    );
    response.writeHead(200, { "content-type": "text/html; charset=utf-8" });
    response.end(
      `<!doctype html><link rel="icon" href="data:,"><title>Upstream</title>${links.join(" ")} <a href="/interaction/${uid}?cancel">Cancel</a>`,
    );
  }
}
