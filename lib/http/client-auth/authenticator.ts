import type { Context } from "@/lib/context";
import { OAuthError } from "@/lib/errors";
import type { Client } from "@/lib/services/clients";
import type { Call } from "../call";

/** The fields of the form a request came with. */
export type Fields = Readonly<Record<string, string>>;

/** Methods of client authentication, by their registered names (RFC 7591 §2). */
export type AuthMethod =
  | "none"
  | "client_secret_basic"
  | "client_secret_post"
  | "private_key_jwt"
  | "spiffe_jwt"
  | "attest_jwt_client_auth"
  | "attest_jwt_client_auth_dpop";

/** What a credential turned out to be. */
export type Proof =
  | {
      isProven: true /** Thumbprint of the instance of the client that proved itself. */;
      instanceJkt?: string;
    }
  | {
      isProven: false;
      /** For the log. */
      reason: string;
      /** It does not fit what is registered of the client, which may be out of date. */
      isUnregistered?: boolean;
    };

/** A credential that a request presents: whose it says it is, and how to find out. */
export type Presented = {
  method: AuthMethod;
  clientId: string;
  /** Whether it can be guessed, so that wrong ones close the door (security case 63). */
  isGuessable: boolean;
  /** Where the credential names its client by something else than `clientId`: how to find it. */
  findClient?(ctx: Context): Promise<Client | undefined>;
  /** Asked for an unknown client as well, so that it takes the same time. */
  prove(ctx: Context, call: Call, client: Client | undefined): Promise<Proof>;
};

/** One way for a client to prove who it is: a file of its own, and a line in the registry (index.ts). */
export type Authenticator = {
  methods: readonly AuthMethod[];
  /** What a request presents by it; undefined: nothing. Throws for what cannot be read. */
  present(request: Request, fields: Fields): Presented | undefined;
};

/** One answer for an unknown client, a disabled one and a wrong credential: it tells nobody which. */
export const refused = (reason: string) =>
  new OAuthError(
    "invalid_client",
    "Client authentication failed. Check client_id and its credential, or register again.",
    { reason },
  );
