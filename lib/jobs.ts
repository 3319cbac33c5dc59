import type { Context } from "./context";
import { expireLapsed } from "./services/approval-ends";
import { pruneApprovals } from "./services/approvals";
import { pruneCodes } from "./services/authorization-codes";
import { eraseEndedSecrets, pruneClients } from "./services/clients";
import { pruneKeys, rotateIfDue } from "./services/keys";
import { pruneOutbox } from "./services/outbox";
import { prunePushedRequests } from "./services/pushed-requests";
import { pruneRateLimits } from "./services/rate-limits";
import { pruneReceipts } from "./services/receipts";
import { pruneRefreshTokens } from "./services/refresh-tokens";
import { pruneSessions } from "./services/sessions";
import { pruneAccessTokens } from "./services/tokens";
import { pruneUsedAssertions } from "./services/used-assertions";

/** Housekeeping: each job may run on every instance at the same time, and twice does no harm. */
const jobs: Readonly<Record<string, (ctx: Context) => Promise<unknown>>> = {
  rotateIfDue,
  // What another instance left when it was killed; what this one queued or tried is delivered without it.
  deliver: ({ courier }) => courier.deliver(),
  pruneOutbox,
  pruneKeys,
  pruneAccessTokens,
  pruneReceipts,
  pruneRefreshTokens,
  pruneCodes,
  expireLapsed,
  pruneApprovals,
  prunePushedRequests,
  pruneClients,
  eraseEndedSecrets,
  pruneSessions,
  pruneRateLimits,
  pruneUsedAssertions,
};

/** Runs every job once; one that fails is logged and does not stop the others. */
export async function runJobs(ctx: Context): Promise<void> {
  for (const [name, job] of Object.entries(jobs)) {
    try {
      await job(ctx);
    } catch (error) {
      ctx.log.warn("job failed", { job: name, error });
    }
  }
}
