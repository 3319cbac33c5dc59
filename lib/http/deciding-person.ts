import type { Context } from "@/lib/context";
import { OAuthError } from "@/lib/errors";
import { userIdOf } from "@/lib/oauth/subject";
import { DECIDE_SCOPE } from "@/lib/services/resources";
import type { Answerer, SignedIn } from "@/lib/services/sessions";
import { findUser } from "@/lib/services/users";
import { authenticateBearer, insufficientScope } from "./bearer";
import type { Call } from "./call";
import { noteParty } from "./denials";
import { browserOfCall, requirePerson } from "./session";

/** A person who answers by an API: in their own browser, or by a token of their own that an app of theirs holds. */
export type DecidingPerson =
  | { kind: "session"; by: SignedIn; browser: string }
  | { kind: "token"; by: Answerer; clientId: string };

/**
 * The person who answers (product decision D2). Tokens of agents answer nothing, nor tokens that were passed on: whoever
 * asks must not be able to say yes (security case 160).
 */
export async function requireDecidingPerson(ctx: Context, call: Call): Promise<DecidingPerson> {
  if (!call.request.headers.has("authorization")) {
    const by = await requirePerson(ctx, call);
    return { kind: "session", by, browser: browserOfCall(ctx, call).browser };
  }
  const wanted = { resource: ctx.settings.serverUrl, scope: [DECIDE_SCOPE] };
  const token = await authenticateBearer(ctx, call, wanted);
  const { claims, row } = token;
  noteParty(call.request, { actor: `client:${claims.client_id}`, clientId: claims.client_id });
  const userId = userIdOf(claims.sub);
  const user = userId === undefined ? undefined : await findUser(ctx, userId);
  if (!user || claims.act || row.lineage.length > 0)
    throw new OAuthError("forbidden", "Only a person answers: by their session, or by a token of their own.");
  if (!token.scope.includes(DECIDE_SCOPE))
    throw insufficientScope(wanted, token, `The token needs the scope ${DECIDE_SCOPE}.`);
  // A token that does not say when its person signed in says that it was long ago.
  const authTime = new Date((claims.auth_time ?? 0) * 1000);
  return {
    kind: "token",
    by: { user, session: { authTime, amr: [...(claims.amr ?? [])] } },
    clientId: claims.client_id,
  };
}
