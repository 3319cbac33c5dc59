import type { Role } from "@/db/schema/resources";
import { isPlainText, shortenForDisplay } from "@/lib/oauth/display-text";
import type { SignInProvider } from "@/lib/settings";
import type { ProviderIdentity } from "./users";

/** Why a provider's word is not enough to sign somebody in, as the person is told. */
export const IDENTITY_REFUSALS = {
  subject_missing: "Your identity provider did not say who you are. Tell your administrator.",
  email_missing:
    "Your identity provider sent no e-mail address for you. Ask your administrator to add one to your account there.",
  email_unverified:
    "Your e-mail address is not verified at your identity provider. Verify it there, or ask your administrator to.",
  domain_not_allowed:
    "This account may not sign in here. Use the account of your organization, or ask your administrator.",
} as const;

export type IdentityRefusal = keyof typeof IDENTITY_REFUSALS;

type Claims = Readonly<Record<string, unknown>>;

const GOOGLE = "https://accounts.google.com";
const ENTRA = /^https:\/\/(login\.microsoftonline\.(com|us)|login\.partner\.microsoftonline\.cn)\//;
const EMAIL = /^[^\s@]+@[^\s@]+$/;

/**
 * Who a provider says has signed in, from the claims of its ID token and UserInfo response, if it vouches for them
 * (product decision D19). The identity is (issuer, sub); the e-mail address is how people recognize each other.
 */
export function identityFrom(
  provider: SignInProvider,
  claims: Claims,
): ProviderIdentity | { refused: IdentityRefusal } {
  const { issuer } = provider;
  // "It MUST NOT exceed 255 ASCII characters in length", and is compared as it is (OIDC Core §2, §5.1).
  const sub =
    typeof claims.sub === "string" && /^[\x20-\x7e]{1,255}$/.test(claims.sub) ? claims.sub : undefined;
  if (!sub) return { refused: "subject_missing" };
  const email = emailOf(provider, claims);
  if (!email) return { refused: "email_missing" };
  const refused = judgeEmail(provider, claims, email);
  if (refused) return { refused };
  const name = shortenForDisplay(text(claims.name, 1000) ?? email, 100);
  const role = roleOf(provider, claims);
  return { issuer, sub, email, name, ...(role ? { role } : {}) };
}

/** Entra ID has people without `email`, whose sign-in name serves as a label; never where the domain decides. */
function emailOf({ allowedDomains }: SignInProvider, claims: Claims): string | undefined {
  const label = allowedDomains.length === 0 ? claims.preferred_username : undefined;
  return [text(claims.email, 254), text(label, 254)].find((value) => value && EMAIL.test(value));
}

function judgeEmail({ issuer, allowedDomains }: SignInProvider, claims: Claims, email: string) {
  if (isFalse(claims.email_verified)) return "email_unverified";
  if (allowedDomains.length === 0) return undefined;
  if (!isVerified(issuer, claims)) return "email_unverified";
  const domain = email.slice(email.lastIndexOf("@") + 1).toLowerCase();
  if (!allowedDomains.includes(domain)) return "domain_not_allowed";
  // A private Google account can carry a company's address; only `hd` says that the company manages the account.
  const managed = issuer !== GOOGLE || domain === "gmail.com" || allowedDomains.includes(lower(claims.hd));
  return managed ? undefined : "domain_not_allowed";
}

/** Entra ID says it in a claim of its own (`xms_edov`: the domain's owner is verified), Boolean or as text. */
function isVerified(issuer: string, { email_verified, xms_edov }: Claims): boolean {
  if (isTrue(email_verified)) return true;
  return ENTRA.test(issuer) && (isTrue(xms_edov) || xms_edov === 1 || xms_edov === "1");
}

// Some providers send their booleans as text.
const isTrue = (claim: unknown): boolean => claim === true || claim === "true";
const isFalse = (claim: unknown): boolean => claim === false || claim === "false";

const BY_POWER = ["admin", "approver", "member"] as const satisfies readonly Role[];

/** The most powerful role that the mapped claim gives; where a mapping is configured, nobody keeps one it does not. */
function roleOf({ roleClaim, roleMapping }: SignInProvider, claims: Claims): Role | undefined {
  if (roleClaim === undefined) return undefined;
  const values = [claims[roleClaim]].flat();
  const given = roleMapping.filter(({ value }) => values.includes(value)).map(({ role }) => role);
  return BY_POWER.find((role) => given.includes(role)) ?? "member";
}

function text(claim: unknown, max: number): string | undefined {
  if (typeof claim !== "string") return undefined;
  const trimmed = claim.trim();
  return trimmed !== "" && trimmed.length <= max && isPlainText(trimmed) ? trimmed : undefined;
}

const lower = (claim: unknown): string => (typeof claim === "string" ? claim.toLowerCase() : "");
