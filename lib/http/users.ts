import { z } from "zod";
import type { Context } from "@/lib/context";
import { isPlainText } from "@/lib/oauth/display-text";
import { createLocalUser, listUsers, type User } from "@/lib/services/users";
import type { Call } from "./call";
import { json, readJsonAs } from "./json";
import { requireOperator } from "./operator";

/** A person with a local account. */
export const NewUser = z.strictObject({
  email: z.email().max(254),
  name: z.string().trim().min(1).max(100).refine(isPlainText, "must be plain text").optional(),
  role: z.enum(["member", "approver", "admin"]).default("member"),
  password: z.string().min(8, "must have 8 characters or more").max(200),
});

/** `POST /users`: a second person, and every one after (product decision D30). */
export async function createUserEndpoint(ctx: Context, call: Call): Promise<Response> {
  const actor = await requireOperator(ctx, call);
  const { email, role, password, name = email } = await readJsonAs(call.request, NewUser);
  return json(toWire(await createLocalUser(ctx, { email, name, role, password }, actor)), { status: 201 });
}

/** `GET /users`: the people of this server. */
export async function listUsersEndpoint(ctx: Context, call: Call): Promise<Response> {
  await requireOperator(ctx, call);
  const items = (await listUsers(ctx)).map(toWire);
  return json({ items, total: items.length });
}

const toWire = ({ id, email, name, role, status, createdAt, lastSignInAt }: User) => ({
  id,
  email,
  name,
  role,
  status,
  created_at: createdAt.toISOString(),
  last_sign_in_at: lastSignInAt?.toISOString() ?? null,
});
