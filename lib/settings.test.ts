import { describe, expect, it } from "vitest";
import { environmentName, loadSettings, redactedSettings, SettingsError } from "./settings";

type Environment = Record<string, string>;

/** The least that a server outside local mode is told. */
const PUBLIC = {
  AUTHGENT_SERVER_URL: "https://auth.example.com",
  AUTHGENT_HOST: "0.0.0.0",
  AUTHGENT_SECRET_KEY: "k".repeat(32),
};

const NOT_LOCAL =
  "outside local mode (local mode needs loopback hosts in both AUTHGENT_SERVER_URL and AUTHGENT_HOST)";

const load = (env: Environment) => loadSettings(env).settings;

function problemsOf(env: Environment): readonly string[] {
  try {
    loadSettings(env);
  } catch (error) {
    if (error instanceof SettingsError) return error.problems;
    throw error;
  }
  return [];
}

describe("defaults", () => {
  it("are those of a server in local mode", () => {
    expect(loadSettings({})).toEqual({
      warnings: [],
      settings: {
        serverUrl: "http://localhost:8000",
        host: "127.0.0.1",
        port: 8000,
        logLevel: "warn",
        databaseUrl: "pglite://./.authgent/db",
        databasePoolSize: 10,
        allowEphemeral: false,
        consentMode: "ui",
        sessionIdle: 1800,
        sessionMaxAge: 43_200,
        registrationPolicy: "open",
        registrationRedirectUris: [],
        allowPublicRegistration: false,
        scopesSupported: [],
        resourceMatch: "exact",
        accessTokenTtl: 900,
        interactiveAccessTokenTtl: 3600,
        clientCredentialsTtl: 900,
        refreshTokenTtl: 2_592_000,
        refreshTokenMaxAge: 7_776_000,
        authorizationCodeTtl: 60,
        exchangeTokenTtl: 300,
        maxDelegationDepth: 5,
        delegationRootInAct: false,
        trustedOidcIssuers: [],
        trustedOidcAudience: "http://localhost:8000",
        trustedChainingIssuers: [],
        trustedChainingTargets: [],
        chainingGrantTtl: 60,
        chainingClaimsPolicy: "preserve_sub",
        txnTokenTtl: 120,
        policyProvider: "builtin",
        claimEnricher: "none",
        attestationProvider: "none",
        providerTimeout: 10,
        webhookRetries: 3,
        webhookBackoff: [1, 5, 30],
        deviceCodeTtl: 600,
        deviceRefreshTokenMaxAge: 86_400,
        hitlTimeout: 300,
        hitlScopes: [],
        maxPendingApprovals: 5,
        notificationRateLimit: 3,
        requireDpop: false,
        dpopNonce: "optional",
        attestationChallenge: "optional",
        attestationMaxAge: 86_400,
        dpopChainPolicy: "strict",
        requirePar: false,
        parTtl: 60,
        idTokenTtl: 3600,
        signingAlgorithm: "ES256",
        jwksRotationDays: 90,
        jwksAutoRotate: true,
        tokenRateLimit: 6000,
        registerRateLimit: 600,
        trustProxy: 0,
        corsOrigins: [],
        localMode: true,
        providers: [],
      },
    });
  });

  it("are stricter outside local mode", () => {
    const { localMode, registrationPolicy, tokenRateLimit, registerRateLimit } = load(PUBLIC);
    expect({ localMode, registrationPolicy, tokenRateLimit, registerRateLimit }).toEqual({
      localMode: false,
      registrationPolicy: "constrained",
      tokenRateLimit: 100,
      registerRateLimit: 10,
    });
  });

  it.each([
    ["the issuer", { ...PUBLIC, AUTHGENT_HOST: "127.0.0.1" }],
    ["the listening address", { ...PUBLIC, AUTHGENT_SERVER_URL: "http://localhost:8000" }],
  ])("leave local mode when only %s is not loopback", (_, env) => {
    expect(load(env).localMode).toBe(false);
  });

  it("follow the settings they depend on", () => {
    const { serverUrl, clientCredentialsTtl } = load({
      AUTHGENT_PORT: "9000",
      AUTHGENT_ACCESS_TOKEN_TTL: "300",
    });
    expect({ serverUrl, clientCredentialsTtl }).toEqual({
      serverUrl: "http://localhost:9000",
      clientCredentialsTtl: 300,
    });
  });

  it("count an empty variable as unset", () => {
    expect(load({ AUTHGENT_PORT: "", ISSUER: "" }).serverUrl).toBe("http://localhost:8000");
  });
});

describe("names", () => {
  it.each([
    ["accessTokenTtl", "AUTHGENT_ACCESS_TOKEN_TTL"],
    ["serverUrl", "AUTHGENT_SERVER_URL"],
    ["jwksRotationDays", "AUTHGENT_JWKS_ROTATION_DAYS"],
  ])("%s is %s", (key, name) => {
    expect(environmentName(key)).toBe(name);
  });

  it.each([
    ["ISSUER", "https://a.example", { serverUrl: "https://a.example" }],
    ["ISSUER_URL", "https://a.example", { serverUrl: "https://a.example" }],
    ["AUTHGENT_ISSUER", "https://a.example", { serverUrl: "https://a.example" }],
    ["PORT", "9000", { port: 9000 }],
    ["DATABASE_URL", "postgres://db/a", { databaseUrl: "postgres://db/a" }],
    ["AUTHGENT_DB_DSN", "postgres://db/a", { databaseUrl: "postgres://db/a" }],
    ["ADMIN_API_KEY", "0123456789abcdefghij", { adminApiKey: "0123456789abcdefghij" }],
    ["DCR_MODE", "admin", { registrationPolicy: "admin" }],
    ["BOOTSTRAP_TOKEN", "0123456789abcdefghij", { registrationToken: "0123456789abcdefghij" }],
    ["AUTHGENT_TOKEN_TTL", "300", { accessTokenTtl: 300, interactiveAccessTokenTtl: 300 }],
    ["AUTHGENT_AUTH_CODE_ACCESS_TTL", "300", { accessTokenTtl: 900, interactiveAccessTokenTtl: 300 }],
    ["AUTHGENT_REFRESH_TTL", "300", { refreshTokenTtl: 300 }],
    ["AUTHGENT_CODE_TTL", "300", { authorizationCodeTtl: 300 }],
    ["AUTHGENT_SIGNING_ALG", "RS256", { signingAlgorithm: "RS256" }],
    ["AUTHGENT_KEY_ROTATION_DAYS", "30", { jwksRotationDays: 30 }],
  ])("%s is read as well", (name, value, expected) => {
    expect(loadSettings({ AUTHGENT_SECRET_KEY: "k".repeat(32), [name]: value })).toMatchObject({
      settings: expected,
      warnings: [],
    });
  });

  it("refuse two names with different values", () => {
    expect(problemsOf({ AUTHGENT_PORT: "8000", PORT: "9000" })).toEqual([
      "AUTHGENT_PORT and PORT are two names of one setting and have different values: keep one of them.",
    ]);
  });

  it("accept two names with the same value", () => {
    expect(load({ AUTHGENT_PORT: "9000", PORT: "9000" }).port).toBe(9000);
  });

  it.each([
    ["AUTHGENT_ACESS_TOKEN_TTL", "AUTHGENT_ACCESS_TOKEN_TTL"],
    ["AUTHGENT_DCR_MODE", "DCR_MODE"],
    ["AUTHGENT_UPSTREAM_ISSUER", "UPSTREAM_ISSUER"],
    ["AUTHGENT_REGISTRATION_POLICIES", "AUTHGENT_REGISTRATION_POLICY"],
    ["AUTHGENT_IDP_SCOPE", "AUTHGENT_IDP_SCOPES"],
  ])("refuse the unknown %s and name %s", (unknown, nearest) => {
    expect(problemsOf({ [unknown]: "1" })).toEqual([
      `${unknown} is not a setting of this server: did you mean ${nearest}?`,
    ]);
  });

  it("leave variables without our prefix alone", () => {
    expect(loadSettings({ HOST: "laptop", SECRET_KEY: "short", REDIS_URL: "redis://cache" })).toEqual(
      loadSettings({}),
    );
  });
});

describe("values", () => {
  it.each([
    ["true", true],
    ["True", true],
    ["1", true],
    ["false", false],
    ["0", false],
  ])("reads %s as %s", (value, expected) => {
    expect(load({ AUTHGENT_JWKS_AUTO_ROTATE: value }).jwksAutoRotate).toBe(expected);
  });

  it.each([
    "https://a.example,https://b.example",
    "https://a.example, https://b.example",
    '["https://a.example","https://b.example"]',
  ])("reads the list %s", (value) => {
    expect(load({ AUTHGENT_CORS_ORIGINS: value }).corsOrigins).toEqual([
      "https://a.example",
      "https://b.example",
    ]);
  });

  it("drops the Python driver from a PostgreSQL URL", () => {
    expect(load({ DATABASE_URL: "postgresql+asyncpg://ada:pw@db:5432/authgent" }).databaseUrl).toBe(
      "postgresql://ada:pw@db:5432/authgent",
    );
  });

  it.each([
    ["AUTHGENT_SERVER_URL", "auth.example.com", "must be a URL such as https://auth.example.com."],
    ["ISSUER", "http://auth.example.com", "must begin with https:// (http:// is for localhost only)."],
    ["AUTHGENT_SERVER_URL", "http://localhost:8000/", "must not end with a slash."],
    ["AUTHGENT_SERVER_URL", "http://localhost:8000?a=b", "must have no query and no fragment."],
    ["AUTHGENT_SERVER_URL", "http://localhost:8000#", "must have no query and no fragment."],
    ["AUTHGENT_SERVER_URL", "http://ada:pw@localhost", "must not carry a user name or a password."],
    ["AUTHGENT_SERVER_URL", "https://Auth.example.com:443", "must be written as https://auth.example.com."],
    ["AUTHGENT_PORT", "70000", "must be a whole number from 1 to 65535."],
    ["AUTHGENT_ACCESS_TOKEN_TTL", "15m", "must be a whole number, 1 or more."],
    ["AUTHGENT_ACCESS_TOKEN_TTL", "0", "must be a whole number, 1 or more."],
    ["AUTHGENT_AUTHORIZATION_CODE_TTL", "601", "must be a whole number from 1 to 600."],
    ["AUTHGENT_REFRESH_OVERLAP", "121", "must be a whole number from 0 to 120."],
    ["AUTHGENT_SIGNING_ALGORITHM", "ES384", "must be one of ES256, RS256, Ed25519."],
    ["DCR_MODE", "public", "must be one of open, constrained, token, admin, off."],
    ["AUTHGENT_JWKS_AUTO_ROTATE", "yes", "must be true or false."],
    ["AUTHGENT_CORS_ORIGINS", "[1]", "must be a list separated by commas, or a JSON array of strings."],
    ["AUTHGENT_CORS_ORIGINS", "a,b", "must list origins such as https://app.example.com."],
    ["AUTHGENT_CORS_ORIGINS", "[", "must be a list separated by commas, or a JSON array of strings."],
    ["AUTHGENT_CORS_ORIGINS", "https://a.example/", "must list origins such as https://app.example.com."],
    ["AUTHGENT_SCOPES_SUPPORTED", 'say"hi"', "must list scopes (RFC 6749 §3.3)."],
    ["AUTHGENT_MAX_DELEGATION_DEPTH", "33", "must be a whole number from 1 to 32."],
    ["AUTHGENT_CHAINING_GRANT_TTL", "301", "must be a whole number from 1 to 300."],
    ["AUTHGENT_TXN_TOKEN_TTL", "301", "must be a whole number from 1 to 300."],
    ["AUTHGENT_PROVIDER_TIMEOUT", "31", "must be a whole number from 1 to 30."],
    ["AUTHGENT_CHAINING_CLAIMS_POLICY", "all", "must be one of preserve_sub, minimize."],
    ["AUTHGENT_TRUSTED_OIDC_ISSUERS", "idp.example", "must be a URL such as https://auth.example.com."],
    ["AUTHGENT_TRUSTED_CHAINING_ISSUERS", "https://a.example?b", "must have no query and no fragment."],
    [
      "AUTHGENT_TRUSTED_CHAINING_TARGETS",
      "http://a.example",
      "must begin with https:// (http:// is for localhost only).",
    ],
    ["AUTHGENT_POLICY_URL", "http://pdp/", "must begin with https:// (http:// is for localhost only)."],
    ["AUTHGENT_CLAIM_ENRICHER_URL", "https://a:b@c/", "must not carry a user name or a password."],
    ["AUTHGENT_ATTESTATION_URL", "https://a.example/#b", "must have no fragment."],
    ["AUTHGENT_POLICY_PROVIDER", "cedar", "must be one of builtin, http."],
    ["AUTHGENT_CLAIM_ENRICHER", "webhook", "must be one of none, http."],
    [
      "AUTHGENT_POLICY_PROVIDER",
      "acme.policies.OpaProvider",
      "names a Python class, which this server cannot load: use http, which asks your own service at AUTHGENT_POLICY_URL.",
    ],
    [
      "AUTHGENT_CLAIM_ENRICHER",
      "acme.claims.Enricher",
      "names a Python class, which this server cannot load: use http, which asks your own service at AUTHGENT_CLAIM_ENRICHER_URL.",
    ],
    [
      "AUTHGENT_ATTESTATION_PROVIDER",
      "acme.Tpm",
      "names a Python class, which this server cannot load: use http, which asks your own service at AUTHGENT_ATTESTATION_URL.",
    ],
    ["AUTHGENT_PROVIDER_SECRET", "k".repeat(19), "must have at least 20 characters."],
    ["AUTHGENT_SECRET_KEY", "k".repeat(31), "must have at least 32 characters."],
    ["AUTHGENT_ADMIN_API_KEY", "k".repeat(19), "must have at least 20 characters."],
    [
      "AUTHGENT_REGISTRATION_REDIRECT_URIS",
      "https://*.example.com/cb",
      "may have a * only at the end of the path of an https URL.",
    ],
    [
      "AUTHGENT_REGISTRATION_REDIRECT_URIS",
      "https://app.example.com*",
      "may have a * only at the end of the path of an https URL.",
    ],
    [
      "AUTHGENT_DATABASE_URL",
      "mysql://db/authgent",
      "must be pglite://PATH, pglite://memory or postgres://USER:PASSWORD@HOST/DATABASE.",
    ],
    [
      "DATABASE_URL",
      "sqlite+aiosqlite:///./authgent.db",
      "names SQLite, which Authgent does not use: the embedded database is pglite://./.authgent/db, a shared one postgres://….",
    ],
  ])("refuses %s=%s", (name, value, sentence) => {
    expect(problemsOf({ [name]: value })).toEqual([`${name} ${sentence}`]);
  });

  it.each([
    "https://app.example.com/callback",
    "https://app.example.com/oauth/*",
    "com.example.app:/callback",
  ])("accepts the redirect URI pattern %s", (pattern) => {
    expect(load({ AUTHGENT_REGISTRATION_REDIRECT_URIS: pattern }).registrationRedirectUris).toEqual([
      pattern,
    ]);
  });
});

describe("rules between settings", () => {
  it("requires the secret key outside local mode", () => {
    expect(problemsOf({ AUTHGENT_HOST: "0.0.0.0" })).toEqual([
      `AUTHGENT_SECRET_KEY is required ${NOT_LOCAL}: set it to the output of "openssl rand -base64 48".`,
    ]);
  });

  it("refuses open registration outside local mode", () => {
    expect(problemsOf({ ...PUBLIC, AUTHGENT_REGISTRATION_POLICY: "open" })).toEqual([
      `AUTHGENT_REGISTRATION_POLICY cannot be open ${NOT_LOCAL}: use constrained, or set AUTHGENT_ALLOW_PUBLIC_REGISTRATION=true.`,
    ]);
  });

  it("accepts open registration outside local mode when it is allowed by name", () => {
    const env = { ...PUBLIC, DCR_MODE: "open", AUTHGENT_ALLOW_PUBLIC_REGISTRATION: "true" };
    expect(load(env).registrationPolicy).toBe("open");
  });

  it("requires the token of the policy token", () => {
    expect(problemsOf({ AUTHGENT_REGISTRATION_POLICY: "token" })).toEqual([
      "AUTHGENT_REGISTRATION_TOKEN is required when AUTHGENT_REGISTRATION_POLICY is token.",
    ]);
  });

  it("accepts auto_approve in local mode only", () => {
    expect(load({ AUTHGENT_CONSENT_MODE: "auto_approve" }).consentMode).toBe("auto_approve");
    expect(problemsOf({ ...PUBLIC, AUTHGENT_CONSENT_MODE: "auto_approve" })).toEqual([
      `AUTHGENT_CONSENT_MODE cannot be auto_approve ${NOT_LOCAL}: use ui.`,
    ]);
  });

  it.each([
    ["AUTHGENT_ADMIN_EMAIL", "ada@example.com"],
    ["AUTHGENT_ADMIN_PASSWORD", "correct horse"],
  ])("refuses %s alone", (name, value) => {
    expect(problemsOf({ [name]: value })).toEqual([
      "AUTHGENT_ADMIN_EMAIL and AUTHGENT_ADMIN_PASSWORD need each other: set both, or neither.",
    ]);
  });

  it.each([
    ["AUTHGENT_POLICY_PROVIDER", "AUTHGENT_POLICY_URL"],
    ["AUTHGENT_CLAIM_ENRICHER", "AUTHGENT_CLAIM_ENRICHER_URL"],
    ["AUTHGENT_ATTESTATION_PROVIDER", "AUTHGENT_ATTESTATION_URL"],
  ])("refuses %s=http without %s, and the other way round", (provider, url) => {
    const sentence = `${provider}=http and ${url} need each other: set both, or neither.`;
    expect(problemsOf({ [provider]: "http" })).toEqual([sentence]);
    expect(problemsOf({ [url]: "https://services.example.com/ask" })).toEqual([sentence]);
    expect(problemsOf({ [provider]: "http", [url]: "https://services.example.com/ask?a=b" })).toEqual([]);
  });

  it.each([
    "https://accounts.google.com",
    "https://login.microsoftonline.com/consumers/v2.0",
    "https://login.microsoftonline.com/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0",
  ])("D19: refuses to trust %s without a list of domains", (issuer) => {
    const named = { AUTHGENT_TRUSTED_OIDC_ISSUERS: `https://id.example.com ${issuer}` };
    expect(problemsOf(named)).toEqual([
      "AUTHGENT_TRUSTED_OIDC_ISSUERS names an issuer where anyone can open an account: take it out, and register it at /trusted-issuers with allowed_domains.",
    ]);
  });

  it("refuses an owner's connection without PostgreSQL", () => {
    expect(problemsOf({ AUTHGENT_MIGRATION_DATABASE_URL: "postgres://owner@db/authgent" })).toEqual([
      "AUTHGENT_MIGRATION_DATABASE_URL needs AUTHGENT_DATABASE_URL to be postgres://… as well.",
    ]);
  });

  it("refuses the embedded database on Vercel unless told that it may be lost", () => {
    expect(problemsOf({ VERCEL: "1" })).toEqual([
      "AUTHGENT_DATABASE_URL must be postgres://… on Vercel, where files are lost; AUTHGENT_ALLOW_EPHEMERAL=true starts without one.",
    ]);
    expect(load({ VERCEL: "1", AUTHGENT_ALLOW_EPHEMERAL: "true" }).allowEphemeral).toBe(true);
  });

  it("warns of a short registration token", () => {
    expect(loadSettings({ BOOTSTRAP_TOKEN: "letmein" }).warnings).toEqual([
      "AUTHGENT_REGISTRATION_TOKEN is shorter than 20 characters: a longer one cannot be guessed.",
    ]);
  });

  it("tells every problem at once", () => {
    expect(() => loadSettings({ AUTHGENT_PORT: "x", AUTHGENT_LOG_LEVL: "info" })).toThrow(
      new SettingsError([
        "AUTHGENT_PORT must be a whole number from 1 to 65535.",
        "AUTHGENT_LOG_LEVL is not a setting of this server: did you mean AUTHGENT_LOG_LEVEL?",
      ]),
    );
  });
});

describe("settings of other systems", () => {
  it.each([
    ["AUTHGENT_SCAN_RATE_LIMIT", "30", "this release does not have the feature yet"],
    ["AUTHGENT_SCOPE_MAPPINGS", "{}", "no system ever read it"],
    ["AUTHGENT_DEBUG", "false", "AUTHGENT_LOG_LEVEL=debug writes more to the log"],
    [
      "AUTHGENT_KEY_PROVIDER",
      "database",
      "AUTHGENT_SIGNING_ALGORITHM and AUTHGENT_JWKS_ROTATION_DAYS say how keys are made",
    ],
  ])("accepts %s with a warning", (name, value, reason) => {
    expect(loadSettings({ [name]: value }).warnings).toEqual([
      `${name} has no effect in this release: ${reason}.`,
    ]);
  });

  it.each(["null", "none", "builtin", "Builtin"])("reads the provider %s as our own", (value) => {
    const loaded = loadSettings({
      AUTHGENT_POLICY_PROVIDER: value,
      AUTHGENT_CLAIM_ENRICHER: value,
      AUTHGENT_ATTESTATION_PROVIDER: value,
    });
    expect(loaded).toMatchObject({
      settings: { policyProvider: "builtin", claimEnricher: "none", attestationProvider: "none" },
      warnings: [],
    });
  });

  it("refuses a Python class and names what stands in its place", () => {
    expect(problemsOf({ AUTHGENT_EVENT_EMITTER: "acme.audit.KafkaEmitter" })).toEqual([
      "AUTHGENT_EVENT_EMITTER names a Python class, which this server cannot load: every event is a row of the database at AUTHGENT_DATABASE_URL. Remove it.",
    ]);
  });
});

describe("secrets", () => {
  const SECRET = "s3cr3t";

  it.each<[string, Environment]>([
    ["a short secret key", { AUTHGENT_SECRET_KEY: SECRET }],
    ["a short admin key", { ADMIN_API_KEY: SECRET }],
    ["a short provider secret", { AUTHGENT_PROVIDER_SECRET: SECRET }],
    ["a service URL with a password", { AUTHGENT_POLICY_URL: `https://ada:${SECRET}@pdp.example.com` }],
    ["a short password", { AUTHGENT_ADMIN_PASSWORD: SECRET }],
    ["two registration tokens", { AUTHGENT_REGISTRATION_TOKEN: SECRET, BOOTSTRAP_TOKEN: `${SECRET}2` }],
    ["a database URL", { DATABASE_URL: `mysql://ada:${SECRET}@db/a` }],
    ["a migration URL", { AUTHGENT_MIGRATION_DATABASE_URL: `mysql://ada:${SECRET}@db/a` }],
    ["a server URL with a password", { ISSUER: `https://ada:${SECRET}@auth.example.com/` }],
    ["an incomplete provider", { UPSTREAM_CLIENT_SECRET: SECRET }],
    ["two client secrets", { UPSTREAM_CLIENT_SECRET: SECRET, AUTHGENT_IDP_CLIENT_SECRET: `${SECRET}2` }],
    ["an unknown name", { AUTHGENT_SECRET: SECRET }],
  ])("are not repeated when %s is refused", (_, env) => {
    expect(problemsOf(env).length).toBeGreaterThan(0);
    expect(problemsOf(env).join("\n")).not.toContain(SECRET);
  });

  it("are hidden in the settings to print", () => {
    const settings = load({
      AUTHGENT_SECRET_KEY: SECRET.repeat(6),
      AUTHGENT_REGISTRATION_TOKEN: SECRET.repeat(6),
      AUTHGENT_ADMIN_EMAIL: "ada@example.com",
      AUTHGENT_ADMIN_PASSWORD: SECRET.repeat(6),
      AUTHGENT_ADMIN_API_KEY: SECRET.repeat(6),
      AUTHGENT_PROVIDER_SECRET: SECRET.repeat(6),
      AUTHGENT_WEBHOOK_URL: `https://hooks.example.com/${SECRET}`,
      AUTHGENT_WEBHOOK_HMAC_SECRET: SECRET.repeat(6),
      AUTHGENT_SLACK_WEBHOOK_URL: `https://hooks.slack.com/services/${SECRET}`,
      AUTHGENT_SMTP_URL: `smtp://authgent:${SECRET}@mail.example.com:587`,
      AUTHGENT_SMTP_FROM: "authgent@example.com",
      AUTHGENT_POLICY_PROVIDER: "http",
      AUTHGENT_POLICY_URL: `https://policy.example.com/decide?key=${SECRET}`,
      AUTHGENT_DATABASE_URL: `postgres://ada:${SECRET}@db:5432/authgent?password=${SECRET}`,
      AUTHGENT_MIGRATION_DATABASE_URL: `postgres://owner:${SECRET}@db/authgent`,
      UPSTREAM_ISSUER: "https://login.example.com",
      UPSTREAM_CLIENT_ID: "authgent",
      UPSTREAM_CLIENT_SECRET: SECRET,
    });
    const printed = redactedSettings(settings);

    expect(JSON.stringify(printed)).not.toContain(SECRET);
    expect(printed).toMatchObject({
      secretKey: "(hidden)",
      providerSecret: "(hidden)",
      slackWebhookUrl: "(hidden)",
      smtpUrl: "smtp://authgent@mail.example.com:587",
      policyUrl: "https://policy.example.com/decide",
      adminEmail: "ada@example.com",
      databaseUrl: "postgres://ada@db:5432/authgent",
      migrationDatabaseUrl: "postgres://owner@db/authgent",
      providers: [{ clientId: "authgent", clientSecret: "(hidden)" }],
    });
  });
});
