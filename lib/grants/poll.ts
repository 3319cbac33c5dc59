import { z } from "zod";
import type { Context } from "@/lib/context";
import { OAuthError } from "@/lib/errors";
import { errorDescription } from "@/lib/oauth/error-description";
import { type Handle, readHandle } from "@/lib/services/approval-handles";
import { pollApproval } from "@/lib/services/approval-polls";
import type { ActApproval } from "@/lib/services/approvals";
import { openQuestion } from "@/lib/services/clarifications";
import type { Client } from "@/lib/services/clients";
import type { TokenRequest, TokenResponse } from "./grant";
import { jwtBearer } from "./jwt-bearer/index";

/** What a workload adds that has no other credential than what its platform says of it. */
export const workloadParams = {
  assertion: z.string().min(1).optional(),
  client_id: z.string().optional(),
};

type Presented = { assertion?: string | undefined; client_id?: string | undefined };

/** The client of a poll that authenticates none: a workload's, by an assertion that need not be the first (RFC 7521 §4.1). */
export const workloadOf = async (ctx: Context, presented: Presented): Promise<Client | undefined> => {
  const { assertion, client_id } = presented;
  return assertion === undefined ? undefined : jwtBearer.clientOf?.(ctx, { assertion, client_id });
};

/** Goes on with a token request that waited for this approval. */
export type GoOn = (
  ctx: Context,
  request: TokenRequest<unknown>,
  approval: ActApproval,
) => Promise<TokenResponse>;

type Polled = Handle | "device_code";

/** The approval that a client polls for with a handle of ours, once a person said yes (CIBA Core §10.1). */
export const approvalOf = (
  ctx: Context,
  request: TokenRequest<unknown>,
  name: Handle,
  value: string,
): Promise<ActApproval> => answeredApproval(ctx, request, { name, id: readHandle(ctx, value, name) });

/** The approval that a client polls for, once a person said yes; throws how it stands until then (RFC 8628 §3.5, CIBA Core §11). */
export async function answeredApproval(
  ctx: Context,
  { client, jkt, wait }: TokenRequest<unknown>,
  { name, id }: { name: Polled; id: string | undefined },
): Promise<ActApproval> {
  if (id === undefined) throw unknownHandle(name);
  const poll = await pollApproval(ctx, { id, clientId: client.clientId, jkt, wait });
  switch (poll.status) {
    case "approved":
      return poll.approval;
    case "unknown":
      throw unknownHandle(name);
    case "another_key":
      throw jkt === undefined
        ? new OAuthError("invalid_dpop_proof", `Send a DPoP proof: this ${name} is bound to a key.`)
        : new OAuthError("invalid_grant", `This ${name} is bound to another key than the DPoP proof's.`);
    case "pending":
      throw await pending(ctx, id);
    case "too_fast":
      throw new OAuthError("slow_down", `Wait ${poll.interval} seconds between two polls.`, {
        members: { interval: poll.interval },
      });
    case "denied":
      throw refused(poll.reason ? `The person refused: ${poll.reason}` : "The person refused.");
    case "cancelled":
      throw refused("The request was taken back, or its client was stopped.");
    case "expired":
      throw new OAuthError(
        "expired_token",
        "Nobody answered in time, or the answer was not used in time. Send the request again.",
      );
  }
}

/** What the person wants to know first goes to the client with the answer to its poll. */
async function pending(ctx: Context, id: string): Promise<OAuthError> {
  const question = await openQuestion(ctx, id);
  const clarification = question && {
    ...question,
    answer_to: `${ctx.settings.serverUrl}/stepup/${id}/answers`,
  };
  return new OAuthError("authorization_pending", "The person has not answered yet. Poll again later.", {
    members: { ...(clarification && { clarification }) },
  });
}

/** One refusal for what there never was, what was used, and what is another client's. */
export const unknownHandle = (name: Polled) =>
  new OAuthError(
    "invalid_grant",
    `The ${name} is unknown, used or not this client's. Send the request for one again.`,
  );

const refused = (sentence: string) => new OAuthError("access_denied", errorDescription(sentence));
