import { and, eq, sql } from "drizzle-orm";
import { users } from "@/db/schema/users";
import { type Context, inTransaction } from "@/lib/context";
import { newSecret } from "@/lib/ids";
import { createLocalUser, findLocalUser, type User } from "./users";

/** The e-mail of the admin of a first start without settings, who enters by link. */
export const LINK_ADMIN_EMAIL = "admin@localhost";

/** Makes the first admin on the first start: from the settings, or in local mode one who enters by link (D14, D16). */
export function ensureFirstAdmin(ctx: Context): Promise<void> {
  const { adminEmail, adminPassword, localMode } = ctx.settings;
  return inTransaction(ctx, async (tx) => {
    // Two instances on their first start: the second waits here, then finds the admin.
    await tx.db.execute(sql`select pg_advisory_xact_lock(${FIRST_ADMIN_LOCK})`);
    const [someone] = await tx.db.select({ id: users.id }).from(users).limit(1);
    if (someone) return;
    const admin = { name: "Admin", role: "admin" } as const;
    if (adminEmail && adminPassword) {
      await createLocalUser(tx, { ...admin, email: adminEmail, password: adminPassword }, "system");
    } else if (localMode) {
      await createLocalUser(tx, { ...admin, email: LINK_ADMIN_EMAIL, password: newSecret() }, "system");
    }
  });
}

const FIRST_ADMIN_LOCK = 7_203_115;

/** Whether the admin of the settings exists: they are made on the first start only. */
export async function isConfiguredAdminMissing(ctx: Context): Promise<boolean> {
  const { adminEmail } = ctx.settings;
  return adminEmail !== undefined && (await findLocalUser(ctx, adminEmail)) === undefined;
}

/** The admin who enters by link, if this installation has one. */
export async function findLinkAdmin(ctx: Context): Promise<User | undefined> {
  const [admin] = await ctx.db
    .select()
    .from(users)
    .where(and(eq(users.localEmail, LINK_ADMIN_EMAIL), eq(users.status, "active")));
  return admin;
}
