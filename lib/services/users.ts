import { hash as argon2Hash, verify as argon2Verify } from "@node-rs/argon2";
import { and, asc, eq, inArray, sql } from "drizzle-orm";
import type { Role } from "@/db/schema/resources";
import type { PeopleRule } from "@/db/schema/trusted-issuers";
import { identities, type UserStatus, users } from "@/db/schema/users";
import { type Context, inTransaction } from "@/lib/context";
import { OAuthError } from "@/lib/errors";
import { newSecret, rowId } from "@/lib/ids";
import { isPlainText } from "@/lib/oauth/display-text";
import { record } from "./events";

export type User = typeof users.$inferSelect;

/** argon2id at the floor OWASP names: 19 MiB, two passes. */
const ARGON2 = { memoryCost: 19_456, timeCost: 2, parallelism: 1 } as const;
/** Compared when there is no such account, so that a guess at an e-mail takes as long as one at a password. */
let noAccount: Promise<string> | undefined;

type NewUser = { email: string; name: string; role: Role; groups?: readonly string[]; password: string };

/** Creates a person with a local account; a second account of the same e-mail is a conflict. */
export async function createLocalUser(
  ctx: Context,
  { email, name, role, groups = [], password }: NewUser,
  actor: string,
): Promise<User> {
  const passwordHash = await argon2Hash(password, ARGON2);
  return inTransaction(ctx, async (tx) => {
    const [user] = await tx.db
      .insert(users)
      .values({
        id: rowId(tx.now()),
        email,
        name,
        role,
        groups: [...groups],
        passwordHash,
        localEmail: email.toLowerCase(),
        createdAt: tx.now(),
      })
      .onConflictDoNothing()
      .returning();
    if (!user) throw new OAuthError("conflict", `There is an account for ${email} already.`);
    await record(tx, {
      type: "user.created",
      actor,
      subject: `user:${user.id}`,
      data: { role, provider: "local" },
    });
    return user;
  });
}

/** Finds the person of a local account, whatever its state, when the password is right; takes as long when there is none. */
export async function verifyPassword(
  ctx: Context,
  email: string,
  password: string,
): Promise<User | undefined> {
  const user = await findLocalUser(ctx, email);
  noAccount ??= argon2Hash(newSecret(), ARGON2);
  const matches = await argon2Verify(user?.passwordHash ?? (await noAccount), password);
  return user?.passwordHash && matches ? user : undefined;
}

/** What a provider says of the person it signed in. */
export type ProviderIdentity = {
  issuer: string;
  sub: string;
  email: string;
  name: string;
  /** From the configured claim mapping; absent: stays as it is, or member for new people. */
  role?: Role | undefined;
};

/** The person behind a provider's identity, made known on their first sign-in (product decision D19). */
export function upsertProviderUser(ctx: Context, identity: ProviderIdentity): Promise<User> {
  return inTransaction(ctx, async (tx) => {
    await lockIdentity(tx, identity);
    const known = await findByIdentity(tx, identity);
    return known ? updateProviderUser(tx, known, identity) : createProviderUser(tx, identity);
  });
}

/** Two first sign-ins at once: the second waits here for the first. */
async function lockIdentity(tx: Context, { issuer, sub }: { issuer: string; sub: string }): Promise<void> {
  await tx.db.execute(sql`select pg_advisory_xact_lock(hashtextextended(${`${issuer} ${sub}`}, 0))`);
}

async function createProviderUser(
  tx: Context,
  { issuer, sub, email, name, role = "member" }: ProviderIdentity,
  id: string = rowId(tx.now()),
): Promise<User> {
  const [user] = await tx.db.insert(users).values({ id, email, name, role, createdAt: tx.now() }).returning();
  if (!user) throw new Error("an insert without conflict clause returns its row");
  await tx.db.insert(identities).values({ issuer, sub, userId: user.id, createdAt: tx.now() });
  await record(tx, {
    type: "user.created",
    actor: "system",
    subject: `user:${user.id}`,
    data: { role: user.role, provider: issuer },
  });
  return user;
}

async function updateProviderUser(
  tx: Context,
  before: User,
  { email, name, role }: ProviderIdentity,
): Promise<User> {
  const [user] = await tx.db
    .update(users)
    .set({ email, name, ...(role ? { role } : {}) })
    .where(eq(users.id, before.id))
    .returning();
  if (!user) throw new Error(`identity without its user ${before.id}`);
  if (user.role !== before.role) {
    const data = { before: before.role, after: user.role };
    await record(tx, { type: "user.updated", actor: "system", subject: `user:${user.id}`, data });
  }
  return user;
}

/** Who a trusted issuer says the subject of an assertion is. */
export type ForeignIdentity = {
  issuer: string;
  sub: string;
  /** Another would show a person under an address that is somebody else's. */
  verifiedEmail?: string | undefined;
  name?: string | undefined;
};

/** An id for a person who is not known yet, and perhaps never will be. */
export const newPersonId = (ctx: Context): string => rowId(ctx.now());

/**
 * The active person behind a trusted issuer's identity. Nobody is found by e-mail, nobody known is changed, and who is
 * new is made known only where the rule says so, by the id they are given (product decision D19).
 */
export async function linkPerson(
  tx: Context,
  identity: ForeignIdentity,
  rule: PeopleRule,
  newId: string = newPersonId(tx),
): Promise<User | undefined> {
  const known = await findByIdentity(tx, identity);
  const person = known ?? (mayComeIn(identity, rule) ? await createLinked(tx, identity, newId) : undefined);
  return person?.status === "active" ? person : undefined;
}

/** Whether a rule lets somebody in whom nobody has seen before. */
export function mayComeIn({ verifiedEmail }: ForeignIdentity, rule: PeopleRule): boolean {
  if (!rule.create) return false;
  if (rule.allowedDomains.length === 0) return true;
  const domain = verifiedEmail?.slice(verifiedEmail.lastIndexOf("@") + 1).toLowerCase();
  return domain !== undefined && rule.allowedDomains.includes(domain);
}

const createLinked = (ctx: Context, identity: ForeignIdentity, id: string): Promise<User> =>
  inTransaction(ctx, async (tx) => {
    await lockIdentity(tx, identity);
    const { issuer, sub, verifiedEmail: email = "", name = email || nameFromSubject(identity) } = identity;
    const known = await findByIdentity(tx, identity);
    return known ?? createProviderUser(tx, { issuer, sub, email, name }, id);
  });

/** Characters of a subject that is shown as a name. */
const MAX_NAME = 100;

/** Anybody may be called anything elsewhere; here they are shown beside what they are asked to allow. */
function nameFromSubject({ issuer, sub }: ForeignIdentity): string {
  const isReadable = sub.length <= MAX_NAME && sub.trim() !== "" && isPlainText(sub);
  return isReadable ? sub : `Person of ${new URL(issuer).host}`;
}

async function findByIdentity(
  ctx: Context,
  { issuer, sub }: { issuer: string; sub: string },
): Promise<User | undefined> {
  const [known] = await ctx.db
    .select({ user: users })
    .from(identities)
    .innerJoin(users, eq(users.id, identities.userId))
    .where(and(eq(identities.issuer, issuer), eq(identities.sub, sub)));
  return known?.user;
}

/** The person of a local account, whatever its state. */
export async function findLocalUser(ctx: Context, email: string): Promise<User | undefined> {
  const [user] = await ctx.db.select().from(users).where(eq(users.localEmail, email.toLowerCase()));
  return user;
}

export async function findUser(ctx: Context, id: string): Promise<User | undefined> {
  const [user] = await ctx.db.select().from(users).where(eq(users.id, id));
  return user;
}

/** The people of these ids, in whatever state. */
export const findUsers = async (ctx: Context, ids: readonly string[]): Promise<User[]> =>
  ids.length === 0
    ? []
    : ctx.db
        .select()
        .from(users)
        .where(inArray(users.id, [...ids]));

export const listUsers = (ctx: Context): Promise<User[]> =>
  ctx.db.select().from(users).orderBy(asc(users.id)).limit(1000);

/** Notes a sign-in, on the person's row. */
export async function touchUser(ctx: Context, id: string): Promise<void> {
  await ctx.db.update(users).set({ lastSignInAt: ctx.now() }).where(eq(users.id, id));
}

type Changes = { role?: Role | undefined; groups?: readonly string[] | undefined };

/** Gives a person another role or other groups. */
export function updateUser(
  ctx: Context,
  { id, changes, actor }: { id: string; changes: Changes; actor: string },
): Promise<User> {
  return inTransaction(ctx, async (tx) => {
    const { role, groups } = changes;
    if (role && role !== "admin" && actor === `user:${id}`)
      throw new OAuthError("conflict", "You cannot take your own role away. Let another admin do it.");
    const [user] = await tx.db
      .update(users)
      .set({ ...(role && { role }), ...(groups && { groups: [...groups] }) })
      .where(eq(users.id, id))
      .returning();
    if (!user) throw new OAuthError("not_found", "There is no person with this id.");
    await record(tx, { type: "user.updated", actor, subject: `user:${id}`, data: { role, groups } });
    return user;
  });
}

/** What leads to a status: nobody is brought back from the dead by thawing. */
const COMES_FROM: Record<UserStatus, readonly UserStatus[]> = {
  active: ["frozen"],
  frozen: ["active"],
  disabled: ["active", "frozen"],
};

/** Gives a person another status within the caller's transaction, which records the event; false: not from the one they have. */
export async function changeUserStatus(tx: Context, id: string, status: UserStatus): Promise<boolean> {
  const changed = await tx.db
    .update(users)
    .set({ status })
    .where(and(eq(users.id, id), inArray(users.status, [...COMES_FROM[status]])))
    .returning({ id: users.id });
  return changed.length > 0;
}
