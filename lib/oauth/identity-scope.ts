/**
 * The scopes that say who somebody is (OIDC Core §3.1.2.1, §5.4), as people read them. They are given by a person who
 * signs in, to the app they sign in to; no client has them for itself.
 */
const IDENTITY_SCOPES = [
  { name: "openid", description: "Know who you are", risk: "low" },
  { name: "profile", description: "See your name", risk: "low" },
  { name: "email", description: "See your e-mail address", risk: "low" },
] as const;

export const IDENTITY_SCOPE_NAMES: readonly string[] = IDENTITY_SCOPES.map(({ name }) => name);

/** An identity scope in words; undefined: it is none. */
export const describeIdentityScope = (name: string) => IDENTITY_SCOPES.find((scope) => scope.name === name);

export const isIdentityScope = (name: string): boolean => IDENTITY_SCOPE_NAMES.includes(name);

/**
 * What of a scope says who somebody is; nothing without `openid`: "If the openid scope value is not present, the
 * behavior is entirely unspecified" (OIDC Core §3.1.2.1).
 */
export const identityScope = (scope: readonly string[]): readonly string[] =>
  scope.includes("openid") ? scope.filter(isIdentityScope) : [];
