import { conflict } from "./providers";
import { environmentName, type SettingName, settingNames } from "./schema";

/** Other names of our settings, from the systems whose clients we serve. */
export const ALIASES: Partial<Record<SettingName, readonly string[]>> = {
  serverUrl: ["ISSUER", "ISSUER_URL", "AUTHGENT_ISSUER"],
  port: ["PORT"],
  databaseUrl: ["DATABASE_URL", "AUTHGENT_DB_DSN"],
  adminApiKey: ["ADMIN_API_KEY"],
  registrationPolicy: ["DCR_MODE"],
  registrationToken: ["BOOTSTRAP_TOKEN"],
  accessTokenTtl: ["AUTHGENT_TOKEN_TTL"],
  interactiveAccessTokenTtl: ["AUTHGENT_AUTH_CODE_ACCESS_TTL", "AUTHGENT_TOKEN_TTL"],
  refreshTokenTtl: ["AUTHGENT_REFRESH_TTL"],
  authorizationCodeTtl: ["AUTHGENT_CODE_TTL"],
  signingAlgorithm: ["AUTHGENT_SIGNING_ALG"],
  jwksRotationDays: ["AUTHGENT_KEY_ROTATION_DAYS"],
};

/** Every name that a setting is read from, ours first. */
export const namesOf = (key: SettingName): readonly string[] => [
  environmentName(key),
  ...(ALIASES[key] ?? []),
];

/** The text of every setting, under whichever of its names it stands; an empty variable is an unset one. */
export function readNames(env: Readonly<Record<string, string | undefined>>) {
  const values: Partial<Record<SettingName, string>> = {};
  const variables: Partial<Record<SettingName, string>> = {};
  const problems: string[] = [];

  for (const key of settingNames) {
    const [first, ...others] = namesOf(key).flatMap((variable) => {
      const value = env[variable];
      return value ? [{ variable, value }] : [];
    });
    if (!first) continue;
    values[key] = first.value;
    variables[key] = first.variable;
    const different = others.find((other) => other.value !== first.value);
    if (different) problems.push(conflict(first.variable, different.variable));
  }
  return { values, variables, problems };
}
