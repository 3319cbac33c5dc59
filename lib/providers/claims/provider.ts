/** The token that claims are wanted for. */
export type ClaimsRequest = {
  grantType: string;
  clientId: string;
  subject: string;
  scope: readonly string[];
  audience: string;
};

/** Adds claims of the operator's to access tokens. One that cannot be asked adds none: the token is issued without. */
export type ClaimsProvider = { enrich(request: ClaimsRequest): Promise<Readonly<Record<string, unknown>>> };
