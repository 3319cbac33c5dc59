import { headers } from "next/headers";
import { cache } from "react";
import type { Context } from "@/lib/context";
import { bindingOf, browserOf } from "@/lib/http/cookies";
import { issueCsrfToken } from "@/lib/http/csrf";
import { callerAddress } from "@/lib/http/peer";
import { sessionOf } from "@/lib/http/session";
import { runningContext } from "@/lib/running-context";
import type { SignedIn } from "@/lib/services/sessions";
import { connectionOf } from "./connection";

/** Who looks at a page, and what the page needs to serve them. */
export type Visitor = {
  ctx: Context;
  by: SignedIn | undefined;
  browser: string;
  issuerHost: string;
  /** Where the page is looked at from. */
  address: string;
  /** The token of a form of this page, good for one purpose. */
  formToken: (purpose: string) => string;
};

/** The visitor of the page that is being rendered. */
export const visitorOfPage = cache(async (): Promise<Visitor> => {
  const { ctx } = await runningContext();
  const { peer, headers: received } = connectionOf(await headers());
  const by = await sessionOf(ctx, new Request(ctx.settings.serverUrl, { headers: received }));
  const { browser } = browserOf(ctx.settings, received.get("cookie"));
  const binding = bindingOf(browser, by?.session.idHash);
  return {
    ctx,
    by,
    browser,
    address: callerAddress(received, peer.socketAddress, ctx.settings.trustProxy),
    issuerHost: new URL(ctx.settings.serverUrl).host,
    formToken: (purpose) => issueCsrfToken(ctx, { binding, purpose }),
  };
});

/** A query of a page, each name once: what is sent twice counts as its first value. */
export const firstOf = (value: string | string[] | undefined): string | undefined => [value].flat()[0];
