import { z } from "zod";
import { delegationSettings } from "./delegation";
import { humanSettings } from "./human";
import { notificationSettings } from "./notifications";
import { proofSettings } from "./proof";
import type { SignInProvider } from "./providers";
import { serviceSettings } from "./services";
import {
  flag,
  issuerProblem,
  list,
  oneOf,
  refused,
  scopeToken,
  seconds,
  secret,
  text,
  wholeNumber,
} from "./values";

const POSTGRES = /^postgres(ql)?:\/\//;
const postgresUrl = text
  // The reference servers name a Python driver in the scheme; the database behind it is the same.
  .transform((value) => value.replace(/^(postgres(?:ql)?)\+[a-z0-9]+:/, "$1:"));

function serverUrlProblem(value: string): string | undefined {
  const problem = issuerProblem(value);
  if (problem) return problem;
  if (value.endsWith("/")) return "must not end with a slash";
  // Clients look for the endpoints at the root of the origin, whatever the metadata says (client quirk Q6).
  if (new URL(value).pathname !== "/")
    return "must not have a path: the endpoints are at the root of a host of their own";
  const canonical = new URL(value).href.replace(/\/$/, "");
  // Clients compare the issuer byte by byte (RFC 9207 §2.4), so it has one spelling only.
  return value === canonical ? undefined : `must be written as ${canonical}`;
}

function databaseUrlProblem(value: string): string | undefined {
  if (/^pglite:\/\/./.test(value) || POSTGRES.test(value)) return undefined;
  if (value.startsWith("sqlite")) {
    return "names SQLite, which Authgent does not use: the embedded database is pglite://./.authgent/db, a shared one postgres://…";
  }
  return "must be pglite://PATH, pglite://memory or postgres://USER:PASSWORD@HOST/DATABASE";
}

function redirectPatternProblem(value: string): string | undefined {
  if (!URL.canParse(value)) return "must list URLs such as https://app.example.com/callback";
  const wildcard = value.indexOf("*");
  // A wildcard stands for the rest of a path: elsewhere it would hand codes to hosts nobody meant.
  if (wildcard === -1 || (wildcard === value.length - 1 && /^https:\/\/[^/?#]+\/[^?#]*$/.test(value)))
    return undefined;
  return "may have a * only at the end of the path of an https URL";
}

/** Every setting of the server; `accessTokenTtl` is read from `AUTHGENT_ACCESS_TOKEN_TTL`. */
export const Settings = z.object({
  serverUrl: text
    .superRefine(refused(serverUrlProblem))
    .optional()
    .describe(
      "Public URL of this server: the issuer of every token. No slash at the end; https unless it is localhost",
    ),
  host: text.default("127.0.0.1").describe("Address to listen on; any other than loopback ends local mode"),
  port: wholeNumber(1, 65535).default(8000).describe("Port to listen on"),
  secretKey: secret(32)
    .optional()
    .describe(
      "Key that the stored secrets are encrypted with, 32 characters or more, the same on every instance. Required outside local mode",
    ),
  logLevel: oneOf("debug", "info", "warn", "error")
    .optional()
    .describe("Least severe log line to write: `debug`, `info`, `warn` or `error`"),

  databaseUrl: postgresUrl
    .superRefine(refused(databaseUrlProblem))
    .default("pglite://./.authgent/db")
    .describe(
      "`pglite://PATH` (embedded), `pglite://memory` (lost at exit) or `postgres://…` (shared by several instances)",
    ),
  migrationDatabaseUrl: postgresUrl
    .pipe(z.string().regex(POSTGRES, "must be postgres://USER:PASSWORD@HOST/DATABASE"))
    .optional()
    .describe("The same PostgreSQL as the owner of the tables, used for migrations only"),
  databasePoolSize: wholeNumber(1, 1000).default(10).describe("PostgreSQL connections of one instance"),
  allowEphemeral: flag
    .default(false)
    .describe("Start with the embedded database on Vercel, where its files are lost"),

  adminEmail: text
    .regex(/^[^\s@]+@[^\s@]+$/, "must be an e-mail address")
    .optional()
    .describe("E-mail of the first administrator, made at the first start. Needs `AUTHGENT_ADMIN_PASSWORD`"),
  adminPassword: secret(8).optional().describe("Password of the first administrator, 8 characters or more"),
  adminApiKey: secret(20)
    .optional()
    .describe(
      "The operator's key for machines (`X-Admin-Key` or Bearer), 20 characters or more; it never answers for a person",
    ),
  consentMode: oneOf("ui", "auto_approve", "headless")
    .default("ui")
    .describe(
      "`ui` shows the consent page, `headless` leaves the answer to the person's own API call, `auto_approve` skips the page in local mode",
    ),
  sessionIdle: seconds
    .default(1800)
    .describe(
      "Seconds after the sign-in in which an administrator may change things; later ones ask to sign in again",
    ),
  sessionMaxAge: seconds.default(43_200).describe("Seconds after which every session ends"),

  registrationPolicy: oneOf("open", "constrained", "token", "admin", "off")
    .optional()
    .describe(
      "Who may register a client: `open` anyone, `constrained` known MCP clients and your patterns, `token` holders of the token, `admin` administrators, `off` nobody",
    ),
  registrationToken: secret(1)
    .optional()
    .describe("Bearer token that registers clients. Required by the policy `token`"),
  registrationRedirectUris: list(text.superRefine(refused(redirectPatternProblem)))
    .default([])
    .describe(
      "Redirect URIs that `constrained` accepts besides the known MCP clients; a path may end in `*`",
    ),
  allowPublicRegistration: flag.default(false).describe("Let the policy `open` be used outside local mode"),
  scopesSupported: list(scopeToken)
    .default([])
    .describe("Scopes of this server, besides those of its resources"),
  resourceMatch: oneOf("exact", "origin")
    .default("exact")
    .describe("How a requested resource finds the registered one: `exact`, or by `origin`"),

  accessTokenTtl: seconds.default(900).describe("Seconds that an access token of an agent lives"),
  interactiveAccessTokenTtl: seconds
    .default(3600)
    .describe("Seconds that an access token lives when a person took part (authorization code, device)"),
  clientCredentialsTtl: seconds
    .optional()
    .describe("Seconds that an access token of the client credentials grant lives"),
  refreshTokenTtl: seconds.default(2_592_000).describe("Seconds that an unused refresh token lives"),
  refreshTokenMaxAge: seconds.default(7_776_000).describe("Seconds after the sign-in when refreshing ends"),
  refreshOverlap: wholeNumber(0, 120)
    .optional()
    .describe("Seconds in which a repeated refresh gets the same successor, at most 120"),
  authorizationCodeTtl: wholeNumber(1, 600)
    .default(60)
    .describe("Seconds that an authorization code lives, at most 600"),

  ...proofSettings,
  ...delegationSettings,
  ...serviceSettings,
  ...notificationSettings,
  ...humanSettings,

  signingAlgorithm: oneOf("ES256", "RS256", "Ed25519")
    .default("ES256")
    .describe("Algorithm of new signing keys: `ES256`, `RS256` or `Ed25519`"),
  jwksRotationDays: wholeNumber(1, 3650)
    .default(90)
    .describe("Days after which a new signing key takes over"),
  jwksAutoRotate: flag.default(true).describe("Rotate signing keys without being asked"),

  tokenRateLimit: wholeNumber(1)
    .optional()
    .describe("Token requests a minute from one address; ten times as many from one client"),
  registerRateLimit: wholeNumber(1)
    .optional()
    .describe("Registrations of clients and agents a minute from one address"),
  trustProxy: wholeNumber(0, 10)
    .default(0)
    .describe("Proxies in front of this server whose `X-Forwarded-For` is believed; 0 believes none"),
  corsOrigins: list(text.superRefine(refused(originProblem)))
    .default([])
    .describe(
      "Origins whose scripts may call the public machine endpoints; empty means every origin (`*`, without credentials)",
    ),
});

function originProblem(value: string): string | undefined {
  if (value === "*" || (URL.canParse(value) && new URL(value).origin === value)) return undefined;
  return "must list origins such as https://app.example.com";
}

/** What every setting is once the ones that depend on others are worked out. */
type Resolved = {
  readonly serverUrl: string;
  readonly registrationPolicy: NonNullable<z.output<typeof Settings>["registrationPolicy"]>;
  readonly clientCredentialsTtl: number;
  readonly trustedOidcAudience: string;
  readonly dpopNonce: NonNullable<z.output<typeof Settings>["dpopNonce"]>;
  readonly logLevel: NonNullable<z.output<typeof Settings>["logLevel"]>;
  readonly tokenRateLimit: number;
  readonly registerRateLimit: number;
  /** Issuer and listening address are both loopback (product decision D1). */
  readonly localMode: boolean;
  readonly providers: readonly SignInProvider[];
};

/** The settings that the server runs with. */
export type Settings = Readonly<Omit<z.output<typeof Settings>, keyof Resolved>> & Resolved;

/** The name of a key of `Settings` that an environment variable is read for. */
export type SettingName = keyof typeof Settings.shape;

export const settingNames = Settings.keyof().options;

/** `accessTokenTtl` is read from `AUTHGENT_ACCESS_TOKEN_TTL`. */
export const environmentName = (key: string): string =>
  `AUTHGENT_${key.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`;

/** The default of a setting that depends on others, in words. */
export const DEPENDENT_DEFAULTS: Partial<Record<SettingName, string>> = {
  serverUrl: "`http://localhost:PORT`",
  secretKey: "made at the first start, in local mode",
  registrationPolicy: "`open` in local mode, else `constrained`",
  clientCredentialsTtl: "`AUTHGENT_ACCESS_TOKEN_TTL`",
  trustedOidcAudience: "`AUTHGENT_SERVER_URL`",
  dpopNonce: "`required` with `AUTHGENT_REQUIRE_DPOP`, else `optional`",
  refreshOverlap: "`60` for public clients, `10` for confidential ones",
  logLevel: "`info`; `warn` in local mode, so that the terminal stays readable",
  tokenRateLimit: "`100`; `6000` in local mode",
  registerRateLimit: "`10`; `600` in local mode",
};
