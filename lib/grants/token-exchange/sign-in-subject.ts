import { TOKEN_TYPES } from "@/lib/oauth/token-types";
import { verifyIdToken } from "@/lib/services/id-tokens";
import { ownRefreshToken, type SubjectTokenReader, type SubjectTokenReaders } from "./subject-token";

/**
 * An ID token that the client got here when its person signed in; what they let it know is what stands of their grant.
 * It is no access token, so that it stands for nothing but who somebody is (security case 129).
 */
const ownIdToken: SubjectTokenReader = async (ctx, { token, client }) => {
  const { claims, family, grant, user } = await verifyIdToken(ctx, token, client.clientId);
  return {
    sub: claims.sub,
    scope: grant.scope,
    audience: grant.resource,
    issuedTo: client.clientId,
    expiresAt: new Date(claims.exp * 1000),
    lineage: [],
    proof: { issuer: claims.iss, sub: claims.sub, jti: undefined },
    grantId: grant.id,
    familyId: family.id,
    approvalId: family.approvalId ?? undefined,
    authTime: new Date(claims.auth_time * 1000),
    amr: claims.amr,
    grant,
    role: user.role,
  };
};

/**
 * What says that a person signed in here: "Implementations of this specification MUST accept Identity Assertions. They
 * MAY additionally accept Refresh Tokens" (draft-ietf-oauth-identity-assertion-authz-grant-04 §4.3).
 */
export const SIGN_INS: SubjectTokenReaders = {
  [TOKEN_TYPES.idToken]: ownIdToken,
  [TOKEN_TYPES.refreshToken]: ownRefreshToken,
};
