/** Why a setting of a feature that a later release brings changes nothing. */
export const LATER = "this release does not have the feature yet";

/** Settings of the systems we take over from that change nothing here, and why. */
export const WITHOUT_EFFECT: ReadonlyMap<string, string> = new Map([
  ...[
    "SCAN_RATE_LIMIT",
    "BADGE_RATE_LIMIT",
    "SCAN_CACHE_TTL_SECONDS",
    "CAEP_RECEIVER_URLS",
    "CAEP_HMAC_SECRET",
    "CAEP_RETRIES",
    "CAEP_BACKOFF",
    "CAEP_TIMEOUT",
    "CAEP_OPERATOR_SCOPE",
    "CAEP_DISALLOWED_SELF_GRANT_SCOPES",
    "CAEP_OPERATOR_RATE_LIMIT",
  ].map((name) => [`AUTHGENT_${name}`, LATER] as const),
  ["AUTHGENT_DELEGATION_SCOPE_REDUCTION", "a delegated scope only ever shrinks"],
  ["AUTHGENT_DEBUG", "AUTHGENT_LOG_LEVEL=debug writes more to the log"],
  ["AUTHGENT_SCOPE_MAPPINGS", "no system ever read it"],
  ["AUTHGENT_CUSTOM_GRANT_HANDLERS", "no system ever read it"],
  [
    "AUTHGENT_HUMAN_AUTH_MODE",
    "people sign in with the configured provider, or with a password where there is none",
  ],
  ["AUTHGENT_REDIS_URL", "everything shared lives in the database"],
  ["AUTHGENT_DEMO_CLEANUP_ENABLED", "there are no demonstration clients"],
  ["AUTHGENT_DEMO_CLIENT_RETENTION_SECONDS", "there are no demonstration clients"],
  ["AUTHGENT_TELEMETRY", "this server sends no telemetry"],
  ["AUTHGENT_TELEMETRY_URL", "this server sends no telemetry"],
  ["AUTHGENT_SIGNING_KEY", "this server makes, stores and rotates its own signing keys"],
  ["AUTHGENT_SIGNING_KEY_DATA", "this server makes, stores and rotates its own signing keys"],
]);

/** Settings that named a Python class to load, and what stands in its place. */
export const CLASS_PATHS: ReadonlyMap<string, string> = new Map([
  ["AUTHGENT_HITL_PROVIDER", "AUTHGENT_CONSENT_MODE says where a person answers"],
  [
    "AUTHGENT_KEY_PROVIDER",
    "AUTHGENT_SIGNING_ALGORITHM and AUTHGENT_JWKS_ROTATION_DAYS say how keys are made",
  ],
  ["AUTHGENT_EVENT_EMITTER", "every event is a row of the database at AUTHGENT_DATABASE_URL"],
]);

/** The built-in choices of those settings, which need no class. */
const BUILT_IN = /^(null|none|builtin|database|webhook)$/i;

/** Judges the settings that this release cannot follow: a class to load stops the start, the rest is a warning. */
export function judgeForeign(env: Readonly<Record<string, string | undefined>>) {
  const problems: string[] = [];
  const warnings: string[] = [];
  for (const [name, value] of Object.entries(env)) {
    if (!value) continue;
    const reason = WITHOUT_EFFECT.get(name);
    const instead = CLASS_PATHS.get(name);
    if (reason) warnings.push(`${name} has no effect in this release: ${reason}.`);
    if (instead && BUILT_IN.test(value)) warnings.push(`${name} has no effect in this release: ${instead}.`);
    else if (instead)
      problems.push(`${name} names a Python class, which this server cannot load: ${instead}. Remove it.`);
  }
  return { problems, warnings };
}
