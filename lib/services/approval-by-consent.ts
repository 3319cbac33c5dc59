import type { Context } from "@/lib/context";
import { OAuthError } from "@/lib/errors";
import type { AuthorizationDetail } from "@/lib/oauth/authorization-details";
import { needsApproval, type Ruling, rulingOf } from "./approval-rules";
import type { User } from "./users";

type Given = {
  resource: string;
  scope: readonly string[];
  authorizationDetails: readonly AuthorizationDetail[] | undefined;
};

type Person = Pick<User, "id" | "groups">;

/**
 * What a person approves each time, and how that goes with the consent of an app: the consent they have just given is
 * their yes, for what its code gives, where they alone could have said it. Everything else that has to be approved is
 * left out: of the code, and of whatever is refreshed later, when nobody was asked again.
 */
export async function withoutUnapproved<Held extends Given>(
  ctx: Context,
  given: Held,
  consentOf: Person | undefined,
): Promise<Held> {
  const { resource, scope, authorizationDetails } = given;
  const held = await rulingOf(ctx, given);
  if (!needsApproval(held)) return given;
  const isLeft = async (part: Partial<Given>) => {
    const ruling = await rulingOf(ctx, { resource, scope: [], ...part });
    return !needsApproval(ruling) || (consentOf !== undefined && isTheirsAlone(ruling, consentOf));
  };
  const keptScope = await kept(scope, (name) => isLeft({ scope: [name] }));
  const keptDetails =
    authorizationDetails &&
    (await kept(authorizationDetails, (detail) => isLeft({ authorizationDetails: [detail] })));
  if (keptScope.length + (keptDetails?.length ?? 0) === 0) throw nothingLeft();
  return { ...given, scope: keptScope, authorizationDetails: keptDetails };
}

/**
 * What of an app's standing grant comes along with an answer to it: not what is approved each time, unless that is what
 * was asked for.
 */
export async function comesAlong(
  ctx: Context,
  grant: Pick<Given, "resource" | "scope">,
  asked: readonly string[],
): Promise<readonly string[]> {
  const held = await rulingOf(ctx, grant);
  return grant.scope.filter((name) => asked.includes(name) || !held.scope.includes(name));
}

/** Whether a person alone may say yes: nobody else has to agree, and nobody else is named. */
export function isTheirsAlone(
  { approverIds, approverGroups, quorum, fourEyes }: Ruling,
  { id, groups }: Person,
): boolean {
  if (quorum > 1 || fourEyes) return false;
  if (approverIds.length + approverGroups.length === 0) return true;
  return approverIds.includes(id) || approverGroups.some((group) => groups.includes(group));
}

async function kept<Item>(
  items: readonly Item[],
  isLeft: (item: Item) => Promise<boolean>,
): Promise<readonly Item[]> {
  const judged = await Promise.all(items.map(isLeft));
  return items.filter((_, place) => judged[place]);
}

const nothingLeft = () =>
  new OAuthError(
    "interaction_required",
    "A person approves this each time, and nothing else is left of what was allowed. Ask them at /bc-authorize.",
    { detail: "approval_required" },
  );
