import type { Context } from "@/lib/context";
import type { OAuthError } from "@/lib/errors";
import { redactText } from "@/lib/log";
import { type EventType, record } from "@/lib/services/events";
import type { Call, Route } from "./call";

/** Who proved who they are in a request: a client, the operator by the key, or the person of a session. */
export type Party = { actor: string; clientId?: string };

const parties = new WeakMap<Request, Party>();

/** Notes who a request comes from, once that is proven: what they are refused then leaves a row (product decision D26). */
export const noteParty = (request: Request, party: Party): void => void parties.set(request, party);

type Denial = {
  type: Extract<EventType, "request.denied" | "token_request.denied">;
  refusal: OAuthError;
  data?: Record<string, string>;
};

/** Records once what the party of a request was refused, if anybody proved who they are; the refusal stands whatever happens. */
export async function recordDenial(ctx: Context, call: Call, denial: Denial): Promise<void> {
  const { type, refusal, data } = denial;
  const party = parties.get(call.request);
  if (!party || isWaiting(refusal)) return;
  parties.delete(call.request);
  const { code, description, options } = refusal;
  const event = {
    ...{ type, actor: party.actor, clientId: party.clientId, address: call.address },
    data: { ...data, error: code, reason: excerpt(options.reason ?? description) },
  };
  try {
    await record(ctx, event);
  } catch (error) {
    ctx.log.error("denial not recorded", { error, type });
  }
}

/** Whoever waits for a person was refused nothing, however often they ask. */
const isWaiting = ({ code, options }: OAuthError): boolean =>
  code === "authorization_pending" || code === "slow_down" || options.detail === "approval_required";

/** Not those that say who one must be, nor those of limits and of addresses: nobody is to fill the trail with them. */
const NO_ROW = [401, 405, 429];

/** Whether the refusal of a handler is news: those of pages that are not there, and failures of ours, are none. */
export const isDenial = ({ errors }: Route, { status }: OAuthError): boolean =>
  status >= 400 && status < 500 && !NO_ROW.includes(status) && !(errors === "page" && status === 404);

const LONGEST_REASON = 300;

/** A reason repeats what the caller wrote: it is kept without credentials, short, and as text that can be stored. */
const excerpt = (reason: string): string =>
  redactText(reason).slice(0, LONGEST_REASON).replace(/\p{C}/gu, "?");
