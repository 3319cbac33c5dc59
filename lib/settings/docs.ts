import { ALIASES } from "./aliases";
import { CLASS_PATHS, LATER, WITHOUT_EFFECT } from "./not-in-this-release";
import { Provider } from "./providers";
import { DEPENDENT_DEFAULTS, environmentName, type SettingName, Settings, settingNames } from "./schema";

/** The chapters of the configuration page, and the order of the settings in them. */
export const GROUPS: readonly { title: string; about?: string; keys: readonly SettingName[] }[] = [
  { title: "Basics", keys: ["serverUrl", "host", "port", "secretKey", "logLevel"] },
  {
    title: "Database",
    keys: ["databaseUrl", "migrationDatabaseUrl", "databasePoolSize", "allowEphemeral"],
  },
  {
    title: "Sign-in",
    keys: ["adminEmail", "adminPassword", "adminApiKey", "consentMode", "sessionIdle", "sessionMaxAge"],
  },
  {
    title: "Registration",
    keys: [
      "registrationPolicy",
      "registrationToken",
      "registrationRedirectUris",
      "allowPublicRegistration",
      "scopesSupported",
      "resourceMatch",
    ],
  },
  {
    title: "Lifetimes",
    keys: [
      "accessTokenTtl",
      "interactiveAccessTokenTtl",
      "clientCredentialsTtl",
      "refreshTokenTtl",
      "refreshTokenMaxAge",
      "refreshOverlap",
      "authorizationCodeTtl",
      "parTtl",
      "idTokenTtl",
      "exchangeTokenTtl",
      "chainingGrantTtl",
      "txnTokenTtl",
    ],
  },
  {
    title: "Proof of possession",
    keys: [
      "requireDpop",
      "dpopNonce",
      "attestationChallenge",
      "attestationMaxAge",
      "dpopChainPolicy",
      "requirePar",
    ],
  },
  {
    title: "Delegation",
    keys: [
      "maxDelegationDepth",
      "delegationRootInAct",
      "trustedOidcIssuers",
      "trustedOidcAudience",
      "trustedChainingIssuers",
      "trustedChainingTargets",
      "chainingClaimsPolicy",
      "txnTokenTrustDomain",
    ],
  },
  {
    title: "Services of your own",
    about: "What they are asked and what they answer is on [a page of its own](providers.md).",
    keys: [
      "policyProvider",
      "policyUrl",
      "claimEnricher",
      "claimEnricherUrl",
      "attestationProvider",
      "attestationUrl",
      "providerTimeout",
      "providerSecret",
    ],
  },
  {
    title: "Asking people",
    keys: ["deviceCodeTtl", "deviceRefreshTokenMaxAge", "hitlTimeout", "hitlScopes", "maxPendingApprovals"],
  },
  {
    title: "Notifications",
    about:
      "How each of them arrives, and how a receiver checks a webhook, is on [a page of its own](notifications.md).",
    keys: [
      "webhookUrl",
      "webhookHmacSecret",
      "webhookRetries",
      "webhookBackoff",
      "slackWebhookUrl",
      "smtpUrl",
      "smtpFrom",
      "notificationRateLimit",
    ],
  },
  {
    title: "People in the loop",
    keys: ["hitlTimeout", "hitlScopes", "maxPendingApprovals", "deviceCodeTtl", "deviceRefreshTokenMaxAge"],
  },
  { title: "Keys", keys: ["signingAlgorithm", "jwksRotationDays", "jwksAutoRotate"] },
  { title: "Limits", keys: ["tokenRateLimit", "registerRateLimit", "trustProxy", "corsOrigins"] },
];

const DEFAULTS = Settings.parse({});

const meaning = (key: SettingName): string => Settings.shape[key].description ?? "";

const isEmpty = (value: unknown) => value === undefined || (Array.isArray(value) && value.length === 0);

const defaultInWords = (key: SettingName): string =>
  DEPENDENT_DEFAULTS[key] ?? (isEmpty(DEFAULTS[key]) ? "none" : `\`${DEFAULTS[key]}\``);

/** The text of `.env.example`: every setting, commented out, with its default. */
export function environmentExample(): string {
  const chapters = GROUPS.map(({ title, keys }) => {
    const entries = keys.map((key) => {
      const value = isEmpty(DEFAULTS[key]) ? "" : String(DEFAULTS[key]);
      const words = DEPENDENT_DEFAULTS[key] ? ` Default: ${DEPENDENT_DEFAULTS[key]}.` : "";
      return `# ${`${meaning(key)}.${words}`.replaceAll("`", "")}\n# ${environmentName(key)}=${value}\n`;
    });
    const providers = title === "Sign-in" ? [`${PROVIDER_EXAMPLE}\n`] : [];
    return [`## ${title}\n`, ...entries, ...providers].join("\n");
  });
  return ["# Every setting has a default: the server starts without this file.\n", ...chapters].join("\n");
}

const PROVIDER_EXAMPLE = `# One sign-in provider; docs/configuration.md shows several.
# UPSTREAM_ISSUER=
# UPSTREAM_CLIENT_ID=
# UPSTREAM_CLIENT_SECRET=`;

/** The text of `docs/configuration.md`, for operators. */
export function configurationPage(): string {
  const chapters = GROUPS.flatMap(({ title, about, keys }) => {
    const rows = keys.map((key) => [`\`${environmentName(key)}\``, defaultInWords(key), `${meaning(key)}.`]);
    const parts = [`## ${title}`, about, table(["Variable", "Default", "Meaning"], rows)];
    const chapter = parts.filter((part) => part !== undefined).join("\n\n");
    return title === "Sign-in" ? [chapter, providerChapter()] : [chapter];
  });
  return [INTRODUCTION, ...chapters, aliasChapter(), foreignChapter()].join("\n\n").concat("\n");
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [head, head.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

function providerChapter(): string {
  const defaults = Provider.partial().parse({});
  const rows = Object.entries(Provider.shape).map(([field, schema]) => {
    const name = environmentName(field).replace("AUTHGENT_", "");
    const value = Object.entries(defaults).find(([key]) => key === field)?.[1];
    return [`\`…_${name}\``, isEmpty(value) ? "none" : `\`${value}\``, `${schema.description}.`];
  });
  return PROVIDERS_TEXT.replace("TABLE", table(["Variable", "Default", "Meaning"], rows));
}

function aliasChapter(): string {
  const rows = settingNames.flatMap((key) =>
    (ALIASES[key] ?? []).map((alias) => [`\`${alias}\``, `\`${environmentName(key)}\``]),
  );
  return `## Names from other systems

These names are read as well. Two names of one setting with different values stop the start.

${table(["Name", "Read as"], [...rows, ["`AUTHGENT_IDP_ISSUER` and the rest of `AUTHGENT_IDP_*`", "`UPSTREAM_*`"]])}`;
}

function foreignChapter(): string {
  const foreign = [...WITHOUT_EFFECT];
  const later = foreign.flatMap(([name, reason]) => (reason === LATER ? [`\`${name}\``] : []));
  const others = foreign.filter(([, reason]) => reason !== LATER);
  const rows = others.map(([name, reason]) => [`\`${name}\``, `${reason}.`]);
  const classes = [...CLASS_PATHS].map(([name, instead]) => [`\`${name}\``, `${instead}.`]);
  return `## Not in this release

These are accepted with a warning and change nothing.

${table(["Variable", "Why"], rows)}

So are the settings of features that a later release brings: ${later.join(", ")}.

These stop the start when they name a Python class, which this server cannot load. So do \`AUTHGENT_POLICY_PROVIDER\`, \`AUTHGENT_CLAIM_ENRICHER\` and \`AUTHGENT_ATTESTATION_PROVIDER\`, whose \`http\` asks a service of yours instead.

${table(["Variable", "Instead"], classes)}

A \`sqlite…\` database URL stops the start too; use \`pglite://./.authgent/db\` or \`postgres://…\`. The driver in \`postgresql+asyncpg://…\` is ignored.`;
}

const INTRODUCTION = `# Configuration

<!-- Written by scripts/generate-docs.mjs from lib/settings: change it there. -->

Everything is an environment variable and everything has a default, so the server starts with nothing set. An unknown \`AUTHGENT_*\` variable stops the start and names the nearest known one. An empty variable counts as unset. Times are in seconds. Yes and no are \`true\` and \`false\` (or \`1\` and \`0\`). Lists are separated by commas, or are JSON arrays.

**Local mode** is when the hosts of \`AUTHGENT_SERVER_URL\` and \`AUTHGENT_HOST\` are both loopback, as they are by default. Only there may agents register without a credential. Everywhere else \`AUTHGENT_SECRET_KEY\` is required and registration is \`constrained\`:

\`\`\`sh
AUTHGENT_SERVER_URL=https://auth.example.com
AUTHGENT_HOST=0.0.0.0
AUTHGENT_SECRET_KEY=…            # openssl rand -base64 48
AUTHGENT_DATABASE_URL=postgres://authgent:…@db.example.com/authgent
\`\`\``;

const PROVIDERS_TEXT = `### Sign-in providers

One provider is \`UPSTREAM_ISSUER\`, \`UPSTREAM_CLIENT_ID\` and \`UPSTREAM_CLIENT_SECRET\`; register \`<server URL>/api/auth/callback/upstream\` there as its redirect URI. Each of several is \`AUTHGENT_IDP_<NAME>_ISSUER\` and so on, with the redirect URI \`<server URL>/api/auth/callback/<name>\` (\`EU_STAFF\` becomes \`eu-staff\`). Without a provider people sign in with a password; with one, local accounts such as the first administrator's do so at \`/login?local\`.

TABLE

A provider where anyone can open an account, such as Google, needs \`…_ALLOWED_DOMAINS\`; the server does not start without it.

Okta:

\`\`\`sh
AUTHGENT_IDP_OKTA_ISSUER=https://example.okta.com
AUTHGENT_IDP_OKTA_CLIENT_ID=…
AUTHGENT_IDP_OKTA_CLIENT_SECRET=…
AUTHGENT_IDP_OKTA_ROLE_CLAIM=groups
AUTHGENT_IDP_OKTA_ROLE_MAPPING=platform-team=admin,on-call=approver
\`\`\`

Microsoft Entra ID, with the issuer of your own tenant (\`common\` and \`organizations\` are refused):

\`\`\`sh
AUTHGENT_IDP_ENTRA_ISSUER=https://login.microsoftonline.com/<tenant id>/v2.0
AUTHGENT_IDP_ENTRA_CLIENT_ID=…
AUTHGENT_IDP_ENTRA_CLIENT_SECRET=…
\`\`\`

Google Workspace:

\`\`\`sh
AUTHGENT_IDP_GOOGLE_ISSUER=https://accounts.google.com
AUTHGENT_IDP_GOOGLE_CLIENT_ID=…
AUTHGENT_IDP_GOOGLE_CLIENT_SECRET=…
AUTHGENT_IDP_GOOGLE_ALLOWED_DOMAINS=example.com
\`\`\``;
