import { z } from "zod";
import type { Context } from "@/lib/context";
import { isPlainText } from "@/lib/oauth/display-text";
import { GROUP_NAME } from "@/lib/services/approval-rules";
import { createLocalUser, listUsers, type User, updateUser } from "@/lib/services/users";
import type { Call } from "./call";
import { json, readJsonAs } from "./json";
import { requireOperator } from "./operator";

const Role = z.enum(["member", "approver", "admin"]);
const Groups = z
  .array(z.string().regex(GROUP_NAME, "must be lower-case letters, digits, dots, dashes and underscores"))
  .max(50)
  .refine((names) => new Set(names).size === names.length, "must have each group once")
  .describe("Names that approvals can be put to, as group:<name>");

/** A person with a local account. */
export const NewUser = z.strictObject({
  email: z.email().max(254),
  name: z.string().trim().min(1).max(100).refine(isPlainText, "must be plain text").optional(),
  role: Role.default("member"),
  groups: Groups.default([]),
  password: z.string().min(8, "must have 8 characters or more").max(200),
});

/** What the operator may change of a person. */
export const UserPatch = z
  .strictObject({ role: Role.optional(), groups: Groups.optional() })
  .refine((changes) => Object.keys(changes).length > 0, "must name what changes")
  .meta({ minProperties: 1 });

/** `POST /users`: a second person, and every one after (product decision D30). */
export async function createUserEndpoint(ctx: Context, call: Call): Promise<Response> {
  const actor = await requireOperator(ctx, call);
  const { email, role, groups, password, name = email } = await readJsonAs(call.request, NewUser);
  const user = await createLocalUser(ctx, { email, name, role, groups, password }, actor);
  return json(toWire(user), { status: 201 });
}

/** `PATCH /users/{id}`: another role, or other groups. */
export async function updateUserEndpoint(ctx: Context, call: Call): Promise<Response> {
  const actor = await requireOperator(ctx, call);
  const changes = await readJsonAs(call.request, UserPatch);
  return json(toWire(await updateUser(ctx, { id: call.params.id ?? "", changes, actor })));
}

/** `GET /users`: the people of this server. */
export async function listUsersEndpoint(ctx: Context, call: Call): Promise<Response> {
  await requireOperator(ctx, call);
  const items = (await listUsers(ctx)).map(toWire);
  return json({ items, total: items.length });
}

const toWire = ({ id, email, name, role, groups, status, createdAt, lastSignInAt }: User) => ({
  id,
  email,
  name,
  role,
  groups,
  status,
  created_at: createdAt.toISOString(),
  last_sign_in_at: lastSignInAt?.toISOString() ?? null,
});
