import { z } from "zod";
import { issuerProblem, list, refused, scopeToken, secret, text } from "./values";

type Environment = Readonly<Record<string, string | undefined>>;

const ROLES = ["member", "approver", "admin"] as const;
const DOMAIN = /^([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z0-9-]{2,}$/;

const domain = text
  .toLowerCase()
  .transform((value) => value.replace(/^@/, ""))
  .pipe(z.string().regex(DOMAIN, "must list domains such as example.com"));

const roleMapping = list(
  z.string().regex(/^.+=(member|approver|admin)$/, "must list pairs such as platform-team=admin"),
).transform((pairs) =>
  pairs.flatMap((pair) => {
    const at = pair.lastIndexOf("=");
    const role = ROLES.find((name) => name === pair.slice(at + 1));
    return role ? [{ value: pair.slice(0, at), role }] : [];
  }),
);

/** What one sign-in provider is told by: `UPSTREAM_ISSUER`, or `AUTHGENT_IDP_<NAME>_ISSUER` for each of several. */
export const Provider = z.object({
  issuer: text
    .superRefine(refused(issuerProblem))
    .describe("Issuer of the provider, exactly as its discovery document spells it"),
  clientId: text.describe("Client id that the provider gave to this server"),
  clientSecret: secret(1).describe("Client secret that the provider gave to this server"),
  scopes: list(scopeToken)
    .refine((scopes) => scopes.includes("openid"), "must include openid")
    .default(["openid", "profile", "email"])
    .describe("Scopes asked of the provider"),
  allowedDomains: list(domain)
    .default([])
    .describe(
      "Domains of verified e-mail addresses that may sign in; required where anyone can open an account",
    ),
  displayName: text.optional().describe("Name on the sign-in button"),
  roleClaim: text.optional().describe("Claim of the ID token that roles are read from, such as `groups`"),
  roleMapping: roleMapping
    .default([])
    .describe("Which value of that claim gives which role: `platform-team=admin,on-call=approver`"),
});

/** A provider that people sign in with (OIDC Core); `name` ends its callback path. */
export type SignInProvider = Readonly<Omit<z.output<typeof Provider>, "displayName">> & {
  readonly name: string;
  readonly label: string;
};

type Field = keyof typeof Provider.shape;

const fieldName = (field: string) => field.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase();
const FIELDS = new Map(Object.keys(Provider.shape).map((field) => [fieldName(field), field]));
const PATTERN = new RegExp(
  `^(?:UPSTREAM|AUTHGENT_IDP(?:_([A-Z0-9]+(?:_[A-Z0-9]+)*?))?)_(${[...FIELDS.keys(), "CALLBACK_PATH"].join("|")})$`,
);

/** True for a variable that tells of a sign-in provider. */
export const isProviderVariable = (name: string): boolean => PATTERN.test(name);

/** The names that a mistyped provider variable may have meant. */
export function providerVariables(env: Environment): readonly string[] {
  const names = new Set(
    Object.keys(env)
      .map((name) => PATTERN.exec(name)?.[1])
      .filter((name) => name !== undefined),
  );
  const prefixes = ["UPSTREAM", "AUTHGENT_IDP", ...[...names].map((name) => `AUTHGENT_IDP_${name}`)];
  return prefixes.flatMap((prefix) => [...FIELDS.keys()].map((field) => `${prefix}_${field}`));
}

/** Names that stand after /login/ for something else. */
const RESERVED: readonly string[] = ["local", "complete", "link"];

type Found = { values: Record<string, string>; variables: Record<string, string> };

/** Reads every sign-in provider that the environment describes. */
export function readProviders(env: Environment) {
  const providers: SignInProvider[] = [];
  const problems: string[] = [];
  const warnings: string[] = [];
  const found = new Map<string, Found>();

  for (const [variable, value] of Object.entries(env)) {
    const match = PATTERN.exec(variable);
    if (!match || !value) continue;
    const name = (match[1] ?? "upstream").toLowerCase().replaceAll("_", "-");
    const field = FIELDS.get(match[2] ?? "");
    if (!field) {
      warnings.push(`${variable} has no effect: the callback is /api/auth/callback/${name}.`);
      continue;
    }
    const entry = found.get(name) ?? { values: {}, variables: {} };
    found.set(name, entry);
    const twin = entry.variables[field];
    if (twin && entry.values[field] !== value) problems.push(conflict(twin, variable));
    entry.values[field] = value;
    entry.variables[field] = variable;
  }

  for (const [name, entry] of found) {
    const read = readProvider(name, entry);
    problems.push(...read.problems);
    if (read.provider) providers.push(read.provider);
  }
  return { providers, problems, warnings };
}

/** The sentence for one setting that is spelled twice with two values. */
export const conflict = (one: string, other: string): string =>
  `${one} and ${other} are two names of one setting and have different values: keep one of them.`;

function readProvider(name: string, { values, variables }: Found) {
  if (RESERVED.includes(name)) {
    return {
      problems: [
        `${Object.values(variables)[0]} names a provider "${name}", which is a page of this server: choose another name.`,
      ],
    };
  }
  const variable = (field: Field) => variables[field] ?? siblingOf(Object.values(variables)[0] ?? "", field);
  const missing = (["issuer", "clientId", "clientSecret"] as const).filter((field) => !values[field]);
  if (missing.length > 0) {
    const present = Object.values(variables).join(", ");
    return {
      problems: missing.map(
        (field) => `${variable(field)} is missing: ${present} describes a sign-in provider.`,
      ),
    };
  }

  const parsed = Provider.safeParse(values);
  if (!parsed.success) {
    return {
      problems: parsed.error.issues.map((issue) => `${variables[String(issue.path[0])]} ${issue.message}.`),
    };
  }
  const { displayName, ...settings } = parsed.data;
  const provider = { ...settings, name, label: displayName ?? labelOf(new URL(settings.issuer)) };
  return { provider, problems: providerProblems(provider, variable) };
}

/** `AUTHGENT_IDP_OKTA_ISSUER` and `clientId` make `AUTHGENT_IDP_OKTA_CLIENT_ID`. */
function siblingOf(variable: string, field: Field): string {
  const given = PATTERN.exec(variable)?.[2] ?? "";
  return variable.slice(0, variable.length - given.length) + fieldName(field);
}

const ENTRA_HOSTS = [
  "login.microsoftonline.com",
  "login.microsoftonline.us",
  "login.partner.microsoftonline.cn",
];
const ENTRA_PERSONAL_TENANT = "9188040d-6c67-4c5b-b112-36a304b66dad";

/** Issuers that let anyone open an account, so that an ID token alone vouches for nobody. */
const PUBLIC_HOSTS = [
  "accounts.google.com",
  "api.login.yahoo.com",
  "appleid.apple.com",
  "gitlab.com",
  "login.salesforce.com",
  "slack.com",
  "www.facebook.com",
  "www.linkedin.com",
];

/** Tenants that stand for every organization, or for everybody. */
const ENTRA_ANY_TENANT = ["common", "organizations", "consumers"];

/** True for an issuer whose ID tokens anyone can have, so that trusting it needs a list of domains (D19). */
export function isOpenToAnybody(issuer: string): boolean {
  if (!URL.canParse(issuer)) return false;
  const { hostname, pathname } = new URL(issuer);
  const tenant = pathname.split("/")[1] ?? "";
  return (
    PUBLIC_HOSTS.includes(hostname) ||
    (ENTRA_HOSTS.includes(hostname) && [...ENTRA_ANY_TENANT, ENTRA_PERSONAL_TENANT].includes(tenant))
  );
}

function providerProblems(provider: SignInProvider, variable: (field: Field) => string): string[] {
  const problems: string[] = [];
  const url = new URL(provider.issuer);
  const tenant = url.pathname.split("/")[1] ?? "";

  if (ENTRA_HOSTS.includes(url.hostname) && ENTRA_ANY_TENANT.includes(tenant)) {
    // Its discovery document names the issuer as a template, which no ID token can match (OIDC Discovery §4.3).
    problems.push(
      `${variable("issuer")} names every Microsoft tenant at once: use the issuer of your own, ` +
        `https://${url.hostname}/<tenant id>/v2.0, and one provider for each tenant.`,
    );
  } else if (isOpenToAnybody(provider.issuer) && provider.allowedDomains.length === 0) {
    problems.push(
      `${variable("allowedDomains")} is required, because anyone can open an account at ${url.hostname}: ` +
        "list the domains whose people may sign in.",
    );
  }
  if ((provider.roleClaim === undefined) !== (provider.roleMapping.length === 0)) {
    problems.push(
      `${variable("roleClaim")} and ${variable("roleMapping")} need each other: set both, or neither.`,
    );
  }
  if (provider.name === "credentials") {
    problems.push(`${variable("issuer")} cannot use the name "credentials": it is the local sign-in form's.`);
  }
  return problems;
}

function labelOf({ hostname, host }: URL): string {
  if (/\.(okta|oktapreview|okta-emea)\.com$/.test(hostname)) return "Okta";
  if (ENTRA_HOSTS.includes(hostname)) return "Microsoft Entra ID";
  if (hostname === "accounts.google.com") return "Google";
  return host;
}
