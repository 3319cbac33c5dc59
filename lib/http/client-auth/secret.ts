import type { Context } from "@/lib/context";
import { hashSecret, matchesSecret } from "@/lib/ids";
import type { Client } from "@/lib/services/clients";
import { type Authenticator, type Fields, type Presented, type Proof, refused } from "./authenticator";

/** A secret by the header or in the body, whichever the client registered (RFC 6749 §2.3.1, product decision D21). */
export const clientSecret: Authenticator = {
  methods: ["client_secret_basic", "client_secret_post"],
  present: (request, fields) => byHeader(request.headers.get("authorization")) ?? inBody(fields),
};

const NO_SECRET = hashSecret("no client has this secret");

function presented(method: Presented["method"], clientId: string, secret: string): Presented {
  return {
    method,
    clientId,
    isGuessable: true,
    prove: async (ctx, _, client) => {
      // Both are compared, with a client and without one: a wrong secret, an unknown client and a client whose secret
      // is being rotated take the same time (security case 48).
      const proven = [client?.secretHash, previousHash(ctx, client)].map((hash) => isSecretOf(hash, secret));
      return proven.includes(true)
        ? { isProven: true }
        : ({ isProven: false, reason: "wrong secret", isUnregistered: true } satisfies Proof);
    },
  };
}

const isSecretOf = (hash: string | null | undefined, secret: string): boolean =>
  matchesSecret(secret, hash ?? NO_SECRET) && hash != null;

/** Of the secret before the last rotation, until its overlap ends. */
function previousHash(ctx: Context, client: Client | undefined): string | null | undefined {
  const end = client?.previousSecretExpiresAt;
  return end && end > ctx.now() ? client.previousSecretHash : undefined;
}

function inBody({ client_id: clientId, client_secret: secret }: Fields): Presented | undefined {
  if (!secret) return undefined;
  if (!clientId) throw refused("a secret without client_id");
  return presented("client_secret_post", clientId, secret);
}

/** HTTP Basic with both halves form-encoded (RFC 6749 §2.3.1). */
function byHeader(header: string | null): Presented | undefined {
  if (header === null) return undefined;
  const encoded = /^Basic +([A-Za-z0-9+/]+={0,2})$/i.exec(header)?.[1];
  if (!encoded) throw refused("Authorization header is not Basic");
  const decoded = Buffer.from(encoded, "base64").toString("utf8");
  const colon = decoded.indexOf(":");
  if (colon < 0) throw refused("Basic credentials without a colon");
  const clientId = formDecode(decoded.slice(0, colon));
  const secret = formDecode(decoded.slice(colon + 1));
  // A name without a secret is how some libraries say that there is none.
  return secret === "" ? nameOnly(clientId) : presented("client_secret_basic", clientId, secret);
}

/** The client id alone, which proves nothing: what public clients send. */
export const nameOnly = (clientId: string): Presented => ({
  method: "none",
  clientId,
  isGuessable: false,
  prove: async (_, __, client) =>
    client?.tokenEndpointAuthMethod === "none"
      ? { isProven: true }
      : { isProven: false, reason: "no credential", isUnregistered: true },
});

function formDecode(value: string): string {
  try {
    const decoded = decodeURIComponent(value.replaceAll("+", " "));
    if (!decoded.includes("\0")) return decoded;
  } catch {
    // Told below.
  }
  throw refused("Basic credentials are not form-encoded, or hold NUL");
}
