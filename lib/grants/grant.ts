import type { z } from "zod";
import type { Context } from "@/lib/context";
import type { Client } from "@/lib/services/clients";

/** One authenticated token request (RFC 6749 §3.2). */
export type TokenRequest<Params> = {
  client: Client;
  /** How the client proved itself; part of what a repeated refresh must carry again. */
  authMethod: "none" | "client_secret_basic" | "client_secret_post";
  params: Params;
  /** Every `resource` of the request (RFC 8707 §2.2). */
  resources: readonly string[];
  address: string;
};

/** A successful answer (RFC 6749 §5.1). */
export type TokenResponse = {
  access_token: string;
  token_type: "Bearer";
  expires_in: number;
  scope: string;
  refresh_token?: string;
};

/** One value of `grant_type`: what it reads from the form, and how it turns that into tokens. */
export type Grant<Params extends z.ZodType = z.ZodType> = {
  grantType: string;
  params: Params;
  handle(ctx: Context, request: TokenRequest<z.infer<Params>>): Promise<TokenResponse>;
};

/** Infers `Params`, so that a grant file states it once. */
export const defineGrant = <Params extends z.ZodType>(grant: Grant<Params>) => grant;
