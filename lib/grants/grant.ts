import type { z } from "zod";
import type { Context } from "@/lib/context";
import type { AuthorizationDetail } from "@/lib/oauth/authorization-details";
import { formatScope } from "@/lib/oauth/scope";
import type { ActApproval } from "@/lib/services/approvals";
import type { Client } from "@/lib/services/clients";

/** One authenticated token request (RFC 6749 §3.2). */
export type TokenRequest<Params> = {
  client: Client;
  /** How the client proved itself; part of what a repeated refresh must carry again. */
  authMethod:
    | "none"
    | "client_secret_basic"
    | "client_secret_post"
    | "private_key_jwt"
    | "spiffe_jwt"
    | "attest_jwt_client_auth"
    | "attest_jwt_client_auth_dpop"
    | "assertion";
  /** Thumbprint of the instance of the client, where it proved to be a certain one. */
  instanceJkt?: string | undefined;
  /** Thumbprint of the key that the request proves to hold (RFC 9449 §5); undefined: it brings no proof. */
  jkt: string | undefined;
  params: Params;
  /** Every `resource` of the request (RFC 8707 §2.2). */
  resources: readonly string[];
  address: string;
  /** Seconds that the client is willing to wait for an answer that somebody has to give first. */
  wait?: number | undefined;
  /** What a person said yes to: the request waited for it, and goes on. */
  approval?: ActApproval | undefined;
};

/** A successful answer (RFC 6749 §5.1). */
export type TokenResponse = {
  access_token: string;
  /** "N_A" where what was issued is no access token (RFC 8693 §2.2.1). */
  token_type: "Bearer" | "DPoP" | "N_A";
  issued_token_type?: string;
  expires_in: number;
  /** Absent where another server decides it. */
  scope?: string;
  refresh_token?: string;
  /** Seconds; with every refresh token (draft-ietf-oauth-refresh-token-expiration-03 §6.1). */
  refresh_token_timeout?: number;
  authorization_expires_in?: number;
  /** Where the person let the app know who they are (OIDC Core §3.1.3.3). */
  id_token?: string;
  /** Granted, where any were asked for (RFC 9396 §7). */
  authorization_details?: readonly AuthorizationDetail[];
  /** What waits for a person, where the client took the rest at once. */
  pending_authorization?: Record<string, unknown>;
};

type Issued = {
  token: string;
  jkt: string | undefined;
  ttl: number;
  scope: readonly string[];
  authorizationDetails?: readonly AuthorizationDetail[] | undefined;
};

/** The members that every answer with an access token has (RFC 6749 §5.1, RFC 9449 §5, RFC 9396 §7). */
export const issuedToken = ({ token, jkt, ttl, scope, authorizationDetails }: Issued): TokenResponse => ({
  access_token: token,
  token_type: jkt === undefined ? "Bearer" : "DPoP",
  expires_in: ttl,
  scope: formatScope(scope),
  ...(authorizationDetails && { authorization_details: authorizationDetails }),
});

/** One value of `grant_type`: what it reads from the form, and how it turns that into tokens. */
export type Grant<Params extends z.ZodType = z.ZodType> = {
  grantType: string;
  /** It goes on with a request of another grant type, which the client is registered for. */
  isContinuation?: boolean;
  params: Params;
  /** The client of a request that authenticates none, if what it presents says whose it is (RFC 7521 §4.1). */
  clientOf?(ctx: Context, params: z.infer<Params>): Promise<Client | undefined>;
  handle(ctx: Context, request: TokenRequest<z.infer<Params>>): Promise<TokenResponse>;
};

/** Infers `Params`, so that a grant file states it once. */
export const defineGrant = <Params extends z.ZodType>(grant: Grant<Params>) => grant;
