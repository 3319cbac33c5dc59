import { z } from "zod";
import type { IdJagTarget } from "@/db/schema/clients";
import { OAuthError } from "@/lib/errors";
import { parseResource } from "@/lib/oauth/resource";
import { formatScope, isScopeToken } from "@/lib/oauth/scope";
import { issuerNameProblem } from "@/lib/services/trusted-issuer-rules";
import { refused } from "@/lib/settings/values";

const MAX_TARGETS = 50;

const Issuer = z.string().max(1024).superRefine(refused(issuerNameProblem));
const Resource = z.string().superRefine(refused(resourceProblem));
const Scope = z
  .string()
  .max(4096)
  .transform((value) => value.split(" ").filter(Boolean))
  .refine((names) => names.every(isScopeToken), "must be scope names separated by spaces");

/** The servers that an operator lets a client get identity assertions for. */
export const IdJagTargets = z
  .array(
    z
      .strictObject({
        issuer: Issuer.describe("The authorization server of the other side, as its metadata name it"),
        client_id: z
          .string()
          .regex(/^[\x20-\x7e]{1,2048}$/, "must be a client_id")
          .describe("What this client is called there"),
        resources: z
          .array(Resource)
          .max(MAX_TARGETS)
          .default([])
          .describe("What assertions may be for; empty: any resource of that server"),
        scope: Scope.optional().describe("The most that may be asked for; absent: that server decides"),
      })
      .transform(({ issuer, client_id: clientId, resources, scope = null }) => ({
        ...{ issuer, clientId, resources, scope },
      })),
  )
  .max(MAX_TARGETS)
  .refine((targets) => new Set(targets.map(({ issuer }) => issuer)).size === targets.length, {
    message: "must name each issuer once",
  })
  .describe("Servers it may get identity assertions for, from the sign-in of a person (ID-JAG)");

function resourceProblem(resource: string): string | undefined {
  try {
    parseResource(resource);
    return undefined;
  } catch {
    return "must be an absolute https URI without fragment";
  }
}

/** "the IdP MUST NOT issue access tokens in response to an ID-JAG it issued itself": to issue one would be for nothing. */
export function refuseOwnIssuer(targets: readonly IdJagTarget[], serverUrl: string): void {
  const index = targets.findIndex(({ issuer }) => issuer.replace(/\/$/, "") === serverUrl);
  if (index === -1) return;
  const [field, message] = [`id_jag_targets.${index}.issuer`, "is this server itself"];
  throw new OAuthError("validation_failed", `${field}: ${message}`, {
    members: { errors: [{ field, message }] },
  });
}

/** The targets of a client as the wire has them. */
export const targetsToWire = (targets: readonly IdJagTarget[]) =>
  targets.map(({ issuer, clientId, resources, scope }) => ({
    issuer,
    client_id: clientId,
    resources,
    ...(scope && { scope: formatScope(scope) }),
  }));
