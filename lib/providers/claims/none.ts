import type { ClaimsProvider } from "./provider";

/** Adds nothing: an access token has the claims of RFC 9068 and ours. */
export const noClaims: ClaimsProvider = { enrich: async () => ({}) };
