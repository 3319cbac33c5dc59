import type { Visitor } from "@/app/visitor";
import type { PersonTokenView } from "@/components/person-tokens";
import { listPersonTokens } from "@/lib/services/person-tokens";
import type { SignedIn } from "@/lib/services/sessions";
import { describeScope, targetAt } from "@/lib/services/targets";

/** What acts for a person for a short while, in words. */
export async function personTokensView({ ctx }: Visitor, { user }: SignedIn): Promise<PersonTokenView[]> {
  const all = await listPersonTokens(ctx, user.id);
  return Promise.all(
    all.map(async ({ jti, agent, audience, scope, expiresAt }) => {
      const { name, scopes } = await targetAt(ctx, audience);
      const words = scope.map((each) => describeScope({ scopes }, each).description);
      return { id: jti, agent, place: name, scopes: words, until: expiresAt };
    }),
  );
}
