import { createHash } from "node:crypto";
import type { AuthorizationDetail } from "./authorization-details";
import { canonicalJson, type Json } from "./canonical-json";

/** What runs after a yes: nothing else does than what was asked for. */
export type Act = {
  /** Who is to get the token. */
  clientId: string;
  /** `user:<id>` or `client:<client_id>`; absent: whoever answers. */
  subject?: string | undefined;
  /** Who acts, the current actor first. */
  actors: readonly string[];
  resource: string;
  scope: readonly string[];
  authorizationDetails?: readonly AuthorizationDetail[] | undefined;
  action?: string | undefined;
  /** Thumbprint of the key that the token is to be bound to. */
  jkt?: string | undefined;
};

/** The SHA-256 of an act, base64url: two are the same if theirs are, whatever the order of scopes and members. */
export function actDigest(act: Act): string {
  const {
    clientId,
    subject = null,
    actors,
    resource,
    scope,
    authorizationDetails,
    action = null,
    jkt = null,
  } = act;
  const details: Json = authorizationDetails ? JSON.parse(JSON.stringify(authorizationDetails)) : null;
  const statement = canonicalJson({
    typ: "authgent-act",
    client: clientId,
    subject,
    actors,
    resource,
    scope: [...scope].sort(),
    details,
    action,
    jkt,
  });
  return createHash("sha256").update(statement).digest("base64url");
}
