import { and, arrayOverlaps, eq, inArray, or, sql } from "drizzle-orm";
import type { Role } from "@/db/schema/resources";
import { users } from "@/db/schema/users";
import type { Context } from "@/lib/context";
import type { User } from "./users";

type Named = { ids: readonly string[]; groups: readonly string[]; roles: readonly Role[] };

/** The active people who are named by id, by a group of theirs, or by their role. */
export const listNamedPeople = async (ctx: Context, { ids, groups, roles }: Named): Promise<User[]> =>
  ids.length + groups.length + roles.length === 0
    ? []
    : ctx.db
        .select()
        .from(users)
        .where(
          and(
            eq(users.status, "active"),
            or(
              inArray(users.id, [...ids]),
              groups.length > 0 ? arrayOverlaps(users.groups, [...groups]) : undefined,
              inArray(users.role, [...roles]),
            ),
          ),
        )
        .limit(MAX_NAMED);

/** Nobody sends a question to more people than this. */
const MAX_NAMED = 200;

/** What a person is called where others read it. */
export const nameOf = ({ email, name }: Pick<User, "email" | "name">): string => email || name;

/** The active person whom an e-mail address or an id names; undefined: nobody, or more than one. */
export async function findActivePerson(ctx: Context, hint: string): Promise<User | undefined> {
  const id = hint.replace(/^user:/, "");
  const email = hint.toLowerCase();
  const isNamed = or(eq(users.id, id), eq(users.localEmail, email), eq(sql`lower(${users.email})`, email));
  const found = await ctx.db
    .select()
    .from(users)
    .where(and(eq(users.status, "active"), isNamed))
    .limit(2);
  return found.length === 1 ? found[0] : undefined;
}
