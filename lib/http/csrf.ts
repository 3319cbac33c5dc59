import { createHmac, timingSafeEqual } from "node:crypto";
import type { Context } from "@/lib/context";
import { OAuthError } from "@/lib/errors";
import { deriveKey } from "@/lib/secret-key";

/** A form is good for this long after it was shown, in seconds. */
const FORM_TTL = 600;

type Form = {
  /** The session or the browser the form was shown to. */
  binding: string;
  /** What the form does, and to what: a token for one form is none for another. */
  purpose: string;
};

type Minting = Pick<Context, "now" | "settings">;

/** A token that only this server can make, for one form, one session and ten minutes. */
export function issueCsrfToken(ctx: Minting, form: Form): string {
  const at = Math.floor(ctx.now().getTime() / 1000).toString(36);
  return `${at}.${tag(ctx, form, at)}`;
}

/** Refuses a form post that did not come from the form we showed to this person (OWASP ASVS 5.0, 3.5.1). */
export function checkCsrf(
  ctx: Minting,
  request: Request,
  token: string | null | undefined,
  form: Form,
): void {
  if (!isSameOrigin(ctx, request)) {
    throw new OAuthError(
      "forbidden",
      "This form was sent from another site. Open the page here and try again.",
    );
  }
  const [at = "", presented = ""] = (token ?? "").split(".");
  const age = ctx.now().getTime() / 1000 - Number.parseInt(at, 36);
  const expected = Buffer.from(tag(ctx, form, at));
  const given = Buffer.from(presented);
  const matches = given.length === expected.length && timingSafeEqual(given, expected);
  if (!matches || !(age >= -60 && age <= FORM_TTL)) {
    throw new OAuthError(
      "forbidden",
      "This page was open too long or belongs to another sign-in. Load it again and repeat.",
    );
  }
}

/** Browsers say where a request comes from; older ones say it in Origin only, and a missing Origin is no proof. */
export function isSameOrigin({ settings }: Pick<Context, "settings">, request: Request): boolean {
  const site = request.headers.get("sec-fetch-site");
  const origin = request.headers.get("origin");
  if (origin !== null) return origin === new URL(settings.serverUrl).origin;
  return site === "same-origin";
}

function tag({ settings }: Minting, { binding, purpose }: Form, at: string): string {
  const key = deriveKey(settings.secretKey, "csrf");
  return createHmac("sha256", key)
    .update(JSON.stringify([binding, purpose, at]))
    .digest("base64url");
}
