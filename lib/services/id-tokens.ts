import { eq } from "drizzle-orm";
import { clients } from "@/db/schema/clients";
import { grants } from "@/db/schema/grants";
import { tokenFamilies } from "@/db/schema/tokens";
import { users } from "@/db/schema/users";
import type { Context } from "@/lib/context";
import { OAuthError } from "@/lib/errors";
import { kidOf, verifyParsedJws } from "@/lib/oauth/compact-jws";
import { ID_TOKEN_TYPE, type IdTokenClaims, idTokenClaims, readIdTokenClaims } from "@/lib/oauth/id-token";
import { parseJws } from "@/lib/oauth/jws";
import { identityGranted, personClaims } from "./identity";

type Issued = {
  clientId: string;
  userId: string;
  /** What is granted, where. */
  scope: readonly string[];
  resource: string;
  authTime: Date;
  amr: readonly string[];
  nonce?: string | undefined;
  /** Issued with it. */
  accessToken: string;
  familyId: string;
};

/** Signs the ID token that goes with an access token, where the person let the app know who they are (OIDC Core §2). */
export async function mintIdToken(ctx: Context, issued: Issued): Promise<string | undefined> {
  const { userId, clientId, authTime, amr, nonce, accessToken, familyId } = issued;
  const identity = await identityGranted(ctx, issued);
  if (identity.length === 0) return undefined;
  const token = {
    issuer: ctx.settings.serverUrl,
    subject: `user:${userId}`,
    issuedAt: ctx.now(),
    ttl: ctx.settings.idTokenTtl,
    person: await personClaims(ctx, { userId, scope: identity }),
    ...{ clientId, authTime, amr, nonce, accessToken, familyId },
  };
  return ctx.keys.sign(ID_TOKEN_TYPE, (alg) => idTokenClaims(token, alg));
}

/** An ID token of ours that counts now, and what it stands on. */
export type LiveIdToken = { claims: IdTokenClaims } & NonNullable<Awaited<ReturnType<typeof findFamily>>>;

/** The claims of an ID token that a client got here and that has not expired, whatever became of the sign-in behind it. */
export async function readIdToken(ctx: Context, token: string, clientId: string): Promise<IdTokenClaims> {
  const code = "invalid_request";
  const jws = parseJws(token, code);
  const keys = await ctx.keys.verificationKeys(kidOf(jws) ?? "");
  const { payload } = verifyParsedJws(jws, { typ: ID_TOKEN_TYPE, keys, code });
  return readIdTokenClaims(payload, { issuer: ctx.settings.serverUrl, clientId, now: ctx.now() });
}

/** Verifies an ID token that a client got here, and asks the database whether all it stands on is still good. */
export async function verifyIdToken(ctx: Context, token: string, clientId: string): Promise<LiveIdToken> {
  const claims = await readIdToken(ctx, token, clientId);
  const found = await findFamily(ctx, claims.family);
  if (found && isLive(ctx.now(), found, claims)) return { claims, ...found };
  throw new OAuthError(
    "invalid_request",
    "The sign-in behind this ID token counts no more: the person stopped this app, or was stopped. Ask them to sign in again.",
    { reason: "the ID token's family, grant, person or client has ended" },
  );
}

async function findFamily(ctx: Context, familyId: string) {
  const [row] = await ctx.db
    .select({ family: tokenFamilies, grant: grants, user: users, client: clients })
    .from(tokenFamilies)
    .innerJoin(grants, eq(grants.id, tokenFamilies.grantId))
    .innerJoin(users, eq(users.id, grants.userId))
    .innerJoin(clients, eq(clients.clientId, tokenFamilies.clientId))
    .where(eq(tokenFamilies.id, familyId));
  return row;
}

type Family = NonNullable<Awaited<ReturnType<typeof findFamily>>>;

const isLive = (now: Date, { family, grant, user, client }: Family, { sub, iat }: IdTokenClaims): boolean =>
  family.revokedAt === null &&
  family.frozenAt === null &&
  family.expiresAt > now &&
  grant.status === "active" &&
  user.status === "active" &&
  `user:${user.id}` === sub &&
  client.status === "active" &&
  (client.notBefore === null || iat * 1000 > client.notBefore.getTime());
