import { and, desc, eq, gt, isNull, lt } from "drizzle-orm";
import { sessions, signIns } from "@/db/schema/sessions";
import { users } from "@/db/schema/users";
import { type Context, inTransaction } from "@/lib/context";
import { hashSecret, newSecret } from "@/lib/ids";
import { record } from "./events";
import { touchUser, type User } from "./users";

export type Session = typeof sessions.$inferSelect;

/** A signed-in person and the session that says so. */
export type SignedIn = { user: User; session: Session };

/** A person who answers something, and how and when they proved who they are. */
export type Answerer = { user: User; session: Pick<Session, "authTime" | "amr"> };

/** Not written more often than this, so that reading a page costs no write. */
const LAST_SEEN_STEP = 60;
/** A sign-in through a provider has to come back within this time. */
const SIGN_IN_TTL = 600;

type NewSession = {
  userId: string;
  provider: string;
  /** How the person proved who they are (RFC 8176). */
  amr: readonly string[];
  /** Seconds since the epoch; absent: now. */
  authTime?: number | undefined;
  userAgent?: string | undefined;
  address?: string | undefined;
};

/** Starts a session and returns the cookie's value, which is not stored. */
export function createSession(
  ctx: Context,
  { userId, provider, amr, authTime, userAgent, address }: NewSession,
): Promise<string> {
  const value = newSecret("ses_");
  return inTransaction(ctx, async (tx) => {
    const now = tx.now();
    await tx.db.insert(sessions).values({
      idHash: hashSecret(value),
      userId,
      provider,
      amr: [...amr],
      authTime: signedInAt(now, authTime),
      createdAt: now,
      lastSeenAt: now,
      expiresAt: new Date(now.getTime() + tx.settings.sessionMaxAge * 1000),
      userAgent: userAgent?.slice(0, 300) ?? null,
      address: address ?? null,
    });
    await touchUser(tx, userId);
    await record(tx, {
      type: "session.started",
      actor: `user:${userId}`,
      subject: `user:${userId}`,
      data: { provider },
      address,
    });
    return value;
  });
}

/** A provider's clock is not ours: a sign-in it dates to the last two minutes is the one that just happened. */
const CLOCK_TOLERANCE = 120;

function signedInAt(now: Date, authTime: number | undefined): Date {
  const age = authTime === undefined ? 0 : now.getTime() / 1000 - authTime;
  return age > CLOCK_TOLERANCE ? new Date((authTime ?? 0) * 1000) : now;
}

/** The person a cookie's value stands for, as long as the session and the person are good. */
export async function findSession(ctx: Context, value: string | undefined): Promise<SignedIn | undefined> {
  if (!value) return undefined;
  const [row] = await ctx.db
    .select({ session: sessions, user: users })
    .from(sessions)
    .innerJoin(users, eq(users.id, sessions.userId))
    .where(
      and(
        eq(sessions.idHash, hashSecret(value)),
        isNull(sessions.revokedAt),
        gt(sessions.expiresAt, ctx.now()),
        eq(users.status, "active"),
      ),
    );
  if (row && secondsSince(ctx, row.session.lastSeenAt) > LAST_SEEN_STEP) {
    await ctx.db
      .update(sessions)
      .set({ lastSeenAt: ctx.now() })
      .where(eq(sessions.idHash, row.session.idHash));
  }
  return row;
}

/** Whether the person proved who they are within the last `maxAge` seconds. */
export const isFresh = (
  ctx: Pick<Context, "now">,
  session: Pick<Session, "authTime">,
  maxAge: number,
): boolean => secondsSince(ctx, session.authTime) <= maxAge;

const secondsSince = (ctx: Pick<Context, "now">, at: Date): number =>
  (ctx.now().getTime() - at.getTime()) / 1000;

/** A person's live sessions, newest first. */
export const listSessions = (ctx: Context, userId: string): Promise<Session[]> =>
  ctx.db
    .select()
    .from(sessions)
    .where(and(eq(sessions.userId, userId), isNull(sessions.revokedAt), gt(sessions.expiresAt, ctx.now())))
    .orderBy(desc(sessions.createdAt))
    .limit(100);

/** Ends one session of a person; its cookie is worth nothing from then on. */
export function endSession(ctx: Context, userId: string, idHash: string): Promise<void> {
  return inTransaction(ctx, async (tx) => {
    const ended = await tx.db
      .update(sessions)
      .set({ revokedAt: tx.now() })
      .where(and(eq(sessions.idHash, idHash), eq(sessions.userId, userId), isNull(sessions.revokedAt)))
      .returning({ idHash: sessions.idHash });
    if (ended.length > 0)
      await record(tx, { type: "session.ended", actor: `user:${userId}`, subject: `user:${userId}` });
  });
}

/** Signs a person out everywhere, within the caller's transaction, which records the event. */
export async function endSessionsOf(tx: Context, userId: string): Promise<void> {
  await tx.db
    .update(sessions)
    .set({ revokedAt: tx.now() })
    .where(and(eq(sessions.userId, userId), isNull(sessions.revokedAt)));
}

type NewSignIn = { provider: string; continueTo: string; browser: string };

/** Opens a sign-in for one browser; the value returned goes into the return address. */
export async function startSignIn(
  ctx: Context,
  { provider, continueTo, browser }: NewSignIn,
): Promise<string> {
  const value = newSecret();
  await ctx.db.insert(signIns).values({
    idHash: hashSecret(value),
    browserHash: hashSecret(browser),
    provider,
    continueTo,
    createdAt: ctx.now(),
    expiresAt: new Date(ctx.now().getTime() + SIGN_IN_TTL * 1000),
  });
  return value;
}

/** Finishes a sign-in, once, and only in the browser that opened it (CVE-2026-27124). */
export async function consumeSignIn(ctx: Context, value: string, browser: string, provider: string) {
  const [signIn] = await ctx.db
    .update(signIns)
    .set({ usedAt: ctx.now() })
    .where(
      and(
        eq(signIns.idHash, hashSecret(value)),
        eq(signIns.browserHash, hashSecret(browser)),
        eq(signIns.provider, provider),
        isNull(signIns.usedAt),
        gt(signIns.expiresAt, ctx.now()),
      ),
    )
    .returning();
  return signIn;
}

/** Removes sessions and sign-ins a day after they ended. */
export async function pruneSessions(ctx: Context): Promise<void> {
  const dayAgo = new Date(ctx.now().getTime() - 86_400_000);
  await ctx.db.delete(sessions).where(lt(sessions.expiresAt, dayAgo));
  await ctx.db.delete(signIns).where(lt(signIns.expiresAt, dayAgo));
}
