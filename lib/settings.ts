import { namesOf, readNames } from "./settings/aliases";
import { isLoopbackHost } from "./settings/loopback";
import { nearestName } from "./settings/nearest";
import { CLASS_PATHS, judgeForeign, WITHOUT_EFFECT } from "./settings/not-in-this-release";
import {
  isProviderVariable,
  providerVariables,
  readProviders,
  type SignInProvider,
} from "./settings/providers";
import { brokenRules } from "./settings/rules";
import { Settings, settingNames } from "./settings/schema";

export type { SignInProvider } from "./settings/providers";
export { environmentName, Settings } from "./settings/schema";

type Environment = Readonly<Record<string, string | undefined>>;

/** The settings, and what an operator should know about the variables they came from. */
export type LoadedSettings = { readonly settings: Settings; readonly warnings: readonly string[] };

/** The server cannot start with this environment: every reason, each naming its variable. */
export class SettingsError extends Error {
  override readonly name = "SettingsError";

  constructor(readonly problems: readonly string[]) {
    super(
      ["Authgent cannot start with these settings:", ...problems.map((problem) => `- ${problem}`)].join("\n"),
    );
  }
}

/** Reads every setting from the environment; the only reader of `process.env`. */
export function loadSettings(env: Environment = process.env): LoadedSettings {
  const named = readNames(env);
  const providers = readProviders(env);
  const foreign = judgeForeign(env);
  const parsed = Settings.safeParse(named.values);

  const problems = [
    ...unknownNames(env),
    ...namesOfSignInLibrary(env),
    ...named.problems,
    ...providers.problems,
    ...foreign.problems,
  ];
  if (!parsed.success) {
    const invalid = parsed.error.issues.map((issue) => {
      const key = settingNames.find((name) => name === issue.path[0]);
      return `${key ? named.variables[key] : "A setting"} ${issue.message}.`;
    });
    // Two bad items of one list make the same sentence.
    throw new SettingsError([...new Set([...invalid, ...problems])]);
  }

  const settings = resolve(parsed.data, providers.providers);
  problems.push(...brokenRules(settings), ...ephemeralProblems(settings, env));
  if (problems.length > 0) throw new SettingsError(problems);
  return { settings, warnings: [...providers.warnings, ...foreign.warnings, ...weaknesses(settings)] };
}

/** Works out the settings that depend on others. */
function resolve(read: ReturnType<typeof Settings.parse>, providers: readonly SignInProvider[]): Settings {
  const serverUrl = read.serverUrl ?? `http://localhost:${read.port}`;
  const localMode = isLoopbackHost(new URL(serverUrl).hostname) && isLoopbackHost(read.host);
  return Object.freeze({
    ...read,
    serverUrl,
    localMode,
    logLevel: read.logLevel ?? (localMode ? "warn" : "info"),
    providers,
    dpopNonce: read.dpopNonce ?? (read.requireDpop ? "required" : "optional"),
    registrationPolicy: read.registrationPolicy ?? (localMode ? "open" : "constrained"),
    clientCredentialsTtl: read.clientCredentialsTtl ?? read.accessTokenTtl,
    trustedOidcAudience: read.trustedOidcAudience ?? serverUrl,
    tokenRateLimit: read.tokenRateLimit ?? (localMode ? 6000 : 100),
    registerRateLimit: read.registerRateLimit ?? (localMode ? 600 : 10),
  });
}

/** A misspelled setting would silently be a default, so an unknown name stops the start. */
function unknownNames(env: Environment): string[] {
  const known = settingNames.flatMap(namesOf);
  const isKnown = (name: string) =>
    known.includes(name) || WITHOUT_EFFECT.has(name) || CLASS_PATHS.has(name) || isProviderVariable(name);
  const candidates = [...known, ...providerVariables(env)];

  return Object.keys(env)
    .filter((name) => name.startsWith("AUTHGENT_") && !isKnown(name))
    .map((name) => `${name} is not a setting of this server: did you mean ${nearestName(name, candidates)}?`);
}

/** The sign-in library would read these and send people to other addresses than ours. */
const namesOfSignInLibrary = (env: Environment): string[] =>
  ["AUTH_URL", "NEXTAUTH_URL", "AUTH_REDIRECT_PROXY_URL"]
    .filter((name) => env[name])
    .map((name) => `${name} must not be set: the address of this server is AUTHGENT_SERVER_URL alone.`);

function ephemeralProblems(settings: Settings, env: Environment): string[] {
  if (!env.VERCEL || !settings.databaseUrl.startsWith("pglite:") || settings.allowEphemeral) return [];
  return [
    "AUTHGENT_DATABASE_URL must be postgres://… on Vercel, where files are lost; AUTHGENT_ALLOW_EPHEMERAL=true starts without one.",
  ];
}

function weaknesses({ registrationToken }: Settings): string[] {
  if (registrationToken === undefined || registrationToken.length >= 20) return [];
  return ["AUTHGENT_REGISTRATION_TOKEN is shorter than 20 characters: a longer one cannot be guessed."];
}

const HIDDEN = "(hidden)";
const SECRETS = [
  "secretKey",
  "registrationToken",
  "adminPassword",
  "adminApiKey",
  "providerSecret",
  "webhookHmacSecret",
  // Whoever knows these addresses can write there.
  "webhookUrl",
  "slackWebhookUrl",
] as const;
/** Addresses that may carry a password or, in their parameters, a key. */
const ADDRESSES = [
  "databaseUrl",
  "migrationDatabaseUrl",
  "policyUrl",
  "claimEnricherUrl",
  "attestationUrl",
  "smtpUrl",
] as const;

/** The settings as an operator may print them: every secret is hidden. */
export function redactedSettings(settings: Settings): Readonly<Record<string, unknown>> {
  const hidden = SECRETS.filter((key) => settings[key] !== undefined).map((key) => [key, HIDDEN]);
  const addresses = ADDRESSES.flatMap((key) => {
    const address = settings[key];
    return address === undefined ? [] : [[key, withoutPassword(address)]];
  });
  return {
    ...settings,
    ...Object.fromEntries([...hidden, ...addresses]),
    providers: settings.providers.map((provider) => ({ ...provider, clientSecret: HIDDEN })),
  };
}

/** An address without password and without parameters, where a password may hide too. */
function withoutPassword(address: string): string {
  if (address.startsWith("pglite:")) return address;
  if (!URL.canParse(address)) return HIDDEN;
  const { protocol, username, host, pathname } = new URL(address);
  return `${protocol}//${username ? `${username}@` : ""}${host}${pathname}`;
}
