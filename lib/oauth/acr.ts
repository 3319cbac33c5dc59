/** A sign-in, in whatever way this server or the person's provider asks for it. */
const SIGNED_IN = "urn:authgent:acr:sign-in";

/** Phishing-resistant: a passkey has signed (OpenID Connect Extended Authentication Profile ACR Values 1.0 §2). */
export const PHISHING_RESISTANT = "phr";

/** What can be asked for as `acr_values`, the strongest first (RFC 9470 §7, OIDC Discovery §3). */
export const ACR_VALUES: readonly string[] = [PHISHING_RESISTANT, SIGNED_IN];

/** What a confirmation by passkey adds to how a person proved who they are (RFC 8176 §2). */
export const PASSKEY_AMR: readonly string[] = ["pop", "user"];

/** The authentication context that these methods amount to. */
export const acrOf = (amr: readonly string[]): string =>
  amr.includes("pop") ? PHISHING_RESISTANT : SIGNED_IN;

/** Whether an authentication satisfies any of the values that were asked for; without any it does. */
export const satisfiesAcr = (amr: readonly string[], asked: readonly string[]): boolean =>
  asked.length === 0 || asked.includes(SIGNED_IN) || asked.includes(acrOf(amr));
