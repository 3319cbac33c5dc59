import type { Context } from "@/lib/context";
import { consumeSignInLink } from "@/lib/services/sign-in-links";
import type { Call } from "./call";
import { noticePage } from "./page";
import { seeOther } from "./session";
import { startSession } from "./sign-in";

/** `GET /login/link/{token}`: signs the first admin in, once, by the link their terminal shows (product decision D16). */
export async function signInLinkEndpoint(ctx: Context, call: Call): Promise<Response> {
  const user = await consumeSignInLink(ctx, call.params.token ?? "");
  if (user) return seeOther("/me", [await startSession(ctx, call, { userId: user.id, ...BY_LINK })]);
  return noticePage({
    title: "This sign-in link is used up",
    status: 410,
    issuerHost: new URL(ctx.settings.serverUrl).host,
    happened: "A sign-in link works once, for an hour. This one was used, has expired, or never was.",
    advice: "Restart the server: its terminal shows a new one.",
  });
}

const BY_LINK = { provider: "local", amr: ["otp"] };
