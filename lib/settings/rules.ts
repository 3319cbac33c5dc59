import { isOpenToAnybody } from "./providers";
import { environmentName, type Settings } from "./schema";

type Rule = { broken: (settings: Settings) => boolean; sentence: string };

const NOT_LOCAL =
  "outside local mode (local mode needs loopback hosts in both AUTHGENT_SERVER_URL and AUTHGENT_HOST)";

/** Who answers a question, and the setting that says where. */
const SERVICES = [
  ["policyProvider", "policyUrl"],
  ["claimEnricher", "claimEnricherUrl"],
  ["attestationProvider", "attestationUrl"],
] as const;

/** What is of no use without the other; a webhook that nobody signed is anybody's. */
const PAIRS = [
  ["adminEmail", "adminPassword"],
  ["webhookUrl", "webhookHmacSecret"],
  ["smtpUrl", "smtpFrom"],
] as const;

/** What settings must be true of together; each sentence says what to change. */
const RULES: readonly Rule[] = [
  {
    broken: (s) => !s.localMode && s.secretKey === undefined,
    sentence: `AUTHGENT_SECRET_KEY is required ${NOT_LOCAL}: set it to the output of "openssl rand -base64 48".`,
  },
  {
    broken: (s) => s.registrationPolicy === "open" && !s.localMode && !s.allowPublicRegistration,
    sentence: `AUTHGENT_REGISTRATION_POLICY cannot be open ${NOT_LOCAL}: use constrained, or set AUTHGENT_ALLOW_PUBLIC_REGISTRATION=true.`,
  },
  {
    broken: (s) => s.registrationPolicy === "token" && s.registrationToken === undefined,
    sentence: "AUTHGENT_REGISTRATION_TOKEN is required when AUTHGENT_REGISTRATION_POLICY is token.",
  },
  {
    broken: (s) => s.consentMode === "auto_approve" && !s.localMode,
    sentence: `AUTHGENT_CONSENT_MODE cannot be auto_approve ${NOT_LOCAL}: use ui.`,
  },
  {
    broken: (s) => s.migrationDatabaseUrl !== undefined && s.databaseUrl.startsWith("pglite:"),
    sentence: "AUTHGENT_MIGRATION_DATABASE_URL needs AUTHGENT_DATABASE_URL to be postgres://… as well.",
  },
  {
    // A setting cannot say whose people may come in (product decision D19).
    broken: (s) => s.trustedOidcIssuers.some(isOpenToAnybody),
    sentence:
      "AUTHGENT_TRUSTED_OIDC_ISSUERS names an issuer where anyone can open an account: take it out, and register it at /trusted-issuers with allowed_domains.",
  },
  ...PAIRS.map(([one, other]) => ({
    broken: (s: Settings) => (s[one] === undefined) !== (s[other] === undefined),
    sentence: `${environmentName(one)} and ${environmentName(other)} need each other: set both, or neither.`,
  })),
  ...SERVICES.map(([provider, url]) => ({
    // A URL without http would be a service that its operator believes to be asked.
    broken: (s: Settings) => (s[provider] === "http") !== (s[url] !== undefined),
    sentence: `${environmentName(provider)}=http and ${environmentName(url)} need each other: set both, or neither.`,
  })),
];

/** The rules between settings that these settings break. */
export const brokenRules = (settings: Settings): readonly string[] =>
  RULES.filter((rule) => rule.broken(settings)).map((rule) => rule.sentence);
