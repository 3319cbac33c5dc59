import type { Risk } from "@/db/schema/resources";
import type { Context } from "@/lib/context";
import { hasPasskey } from "./passkeys";
import { type Answerer, isFresh } from "./sessions";

/** Seconds after a sign-in in which a person may do what a stolen session must not: five minutes. */
export const FRESH_SIGN_IN = 300;

/** What a person has to do before their answer counts. */
export type Presence = "ok" | "passkey" | "sign_in_again";

/**
 * What a question of a risk asks of the person who answers it (product decision D30): of high risk a signature by
 * passkey, or a sign-in just now where they have none; of every other a recent sign-in (D20).
 */
export async function proofOfPresence(ctx: Context, by: Answerer, risk: Risk): Promise<Presence> {
  switch (risk) {
    case "low":
    case "medium":
      return isFresh(ctx, by.session, ctx.settings.sessionIdle) ? "ok" : "sign_in_again";
    case "high":
      if (await hasPasskey(ctx, by.user.id)) return "passkey";
      return isFresh(ctx, by.session, FRESH_SIGN_IN) ? "ok" : "sign_in_again";
  }
}
