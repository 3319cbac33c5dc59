import type { Visitor } from "@/app/visitor";
import type { StandingView } from "@/components/standing-approvals";
import { actInWords } from "@/lib/services/approval-words";
import { findClient } from "@/lib/services/clients";
import type { SignedIn } from "@/lib/services/sessions";
import { listStandingApprovals, type StandingApproval } from "@/lib/services/standing-approvals";

/** What a person allowed from now on, in words. */
export async function standingView({ ctx }: Visitor, { user }: SignedIn): Promise<StandingView[]> {
  const all = await listStandingApprovals(ctx, user.id);
  return Promise.all(
    all.map(async ({ id, clientId, uses, maxUses, expiresAt, ...allowed }) => {
      const { verb, resource } = await actInWords(ctx, { kind: "step_up", act: actOf(allowed) });
      return {
        ...{ id, uses, maxUses, expiresAt, verb, place: resource.name },
        agent: (await findClient(ctx, clientId))?.name ?? clientId,
      };
    }),
  );
}

type Allowed = Pick<StandingApproval, "resource" | "scope" | "authorizationDetails">;

const actOf = ({ resource, scope, authorizationDetails }: Allowed) => ({
  ...{ resource, scope },
  ...(authorizationDetails && { authorizationDetails }),
});
