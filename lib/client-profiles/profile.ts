/** The revision of MCP a client speaks while it connects. */
export type ProtocolVersion = "2025-06-18" | "2025-11-25" | "2026-07-28";

/** One discovery document a client asks for; `{path}` is the path of the MCP server's address. */
export type DiscoveryUrl = {
  document: "resource" | "server";
  /** On which host: the MCP server's own, or the authorization server's. */
  at: "mcp" | "issuer";
  path: string;
};

/** Where the scopes of a request come from: the 401 challenge, all the server lists, or nowhere. */
export type ScopeSource = "challenge" | "catalog" | "none";

/** The form of a `resource` parameter: the MCP server's address, or its origin alone. */
export type ResourceForm = "url" | "origin";

/** How a client comes by its client_id. */
export type Registration =
  | { kind: "document"; clientId: string; document: Readonly<Record<string, unknown>> }
  | { kind: "dynamic"; metadata: Readonly<Record<string, unknown>>; scope: ScopeSource };

/**
 * One MCP client as it behaves in the wild, as data: what it sends, in which order, and what it needs back.
 * What is not recorded publicly and had to be assumed is marked in the file of the profile.
 */
export type ClientProfile = {
  /** Names the profile in tests and commands. */
  id: string;
  name: string;
  /** As recorded; null: it sends none; undefined: nobody has recorded it. */
  userAgent: { oauth: string | null | undefined; mcp: string | null | undefined };
  protocolVersion: ProtocolVersion;
  registration: Registration;
  /** Addresses it has people sent back to, each as on the wire, with a port where it picks one. */
  redirectUris: readonly string[];
  discovery: readonly DiscoveryUrl[];
  /** Whether it takes the endpoints from the metadata, or only ever `/authorize`, `/token`, `/register`. */
  endpoints: "metadata" | "root";
  authorize: {
    /** Each entry is sent as one `resource` parameter. */
    resource: readonly ResourceForm[];
    scope: ScopeSource;
    /** Added to the scopes where the server lists it. */
    offlineAccess: boolean;
    prompt?: string;
    state: string;
  };
  token: {
    auth: "none" | "client_secret_basic" | "client_secret_post" | "private_key_jwt";
    redirectUri: boolean;
    resource: readonly ResourceForm[];
  };
  refresh: { resource: readonly ResourceForm[]; scope: "none" | "granted" };
  /** Rows of docs/clients.md that this profile exercises. */
  quirks: readonly string[];
};

/** What clients of MCP 2025-11-25 ask for, in the order it gives (Authorization §Discovery). */
export const SPECIFIED: readonly DiscoveryUrl[] = [
  { document: "resource", at: "mcp", path: "/.well-known/oauth-protected-resource{path}" },
  { document: "resource", at: "mcp", path: "/.well-known/oauth-protected-resource" },
  { document: "server", at: "issuer", path: "/.well-known/oauth-authorization-server" },
  { document: "server", at: "issuer", path: "/.well-known/openid-configuration" },
];

/** What clients ask for that take the MCP server's address for the issuer's (client quirk Q1). */
export const SUFFIXED: readonly DiscoveryUrl[] = [
  { document: "server", at: "mcp", path: "/.well-known/oauth-authorization-server{path}" },
  { document: "server", at: "mcp", path: "/.well-known/openid-configuration{path}" },
  { document: "server", at: "mcp", path: "{path}/.well-known/openid-configuration" },
];
