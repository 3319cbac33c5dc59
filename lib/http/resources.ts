import { z } from "zod";
import type { Context } from "@/lib/context";
import { isPlainText } from "@/lib/oauth/display-text";
import { isScopeToken } from "@/lib/oauth/scope";
import { createResource, listResources, type Resource } from "@/lib/services/resources";
import type { Call } from "./call";
import { json, readJsonAs } from "./json";
import { requireOperator } from "./operator";

const words = (max: number) => z.string().trim().min(1).max(max).refine(isPlainText, "must be plain text");

/** A scope in the words people will read on the consent page. */
const Scope = z.strictObject({
  name: z.string().max(200).refine(isScopeToken, "must be a scope name: no spaces, quotes or backslashes"),
  description: words(200).describe("What it allows, as a sentence a person understands"),
  risk: z.enum(["low", "medium", "high"]).default("medium"),
  minimum_role: z.enum(["member", "approver", "admin"]).optional(),
});

export const NewResource = z.strictObject({
  resource: z
    .url({ protocol: /^https?$/ })
    .max(1024)
    .describe("The identifier clients send and tokens carry as aud"),
  name: words(100),
  scopes: z.array(Scope).max(100).default([]),
  aliases: z
    .array(z.url({ protocol: /^https?$/ }).max(1024))
    .max(20)
    .default([]),
  introspection_clients: z
    .array(z.string().max(1024))
    .max(20)
    .default([])
    .describe("Clients that act as this resource and may introspect tokens meant for it"),
});

/** `POST /resources`: makes an MCP server or API known (product decision D17). */
export async function createResourceEndpoint(ctx: Context, call: Call): Promise<Response> {
  const actor = await requireOperator(ctx, call);
  const {
    introspection_clients: introspectionClients,
    scopes,
    ...rest
  } = await readJsonAs(call.request, NewResource);
  const named = scopes.map(({ minimum_role: minimumRole, ...scope }) => ({ ...scope, minimumRole }));
  const resource = await createResource(ctx, { ...rest, scopes: named, introspectionClients }, actor);
  return json(toWire(resource), {
    status: 201,
    headers: { location: `${ctx.settings.serverUrl}/resources` },
  });
}

/** `GET /resources`: what this server protects. */
export async function listResourcesEndpoint(ctx: Context, call: Call): Promise<Response> {
  await requireOperator(ctx, call);
  const items = (await listResources(ctx)).map(toWire);
  return json({ items, total: items.length });
}

const toWire = ({ id, resource, name, aliases, scopes, introspectionClients, createdAt }: Resource) => ({
  id,
  resource,
  name,
  aliases,
  scopes: scopes.map(({ minimumRole, ...scope }) => ({
    ...scope,
    ...(minimumRole ? { minimum_role: minimumRole } : {}),
  })),
  introspection_clients: introspectionClients,
  created_at: createdAt.toISOString(),
});
