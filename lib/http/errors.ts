import type { Context } from "@/lib/context";
import { type ERRORS, isOAuthError, OAuthError } from "@/lib/errors";
import { currentRequestId } from "@/lib/log";
import { basicChallenge } from "@/lib/oauth/challenge";
import { errorDescription } from "@/lib/oauth/error-description";
import type { ErrorFormat } from "./call";
import { json } from "./json";
import { noticePage } from "./page";
import { isDatabaseAway } from "./unavailable";

/** Seconds after which a caller may try again when the database was away. */
const RETRY_AFTER = 2;

/** Every failure as a refusal: ours as they are, a database that is away as 503, the rest as 500 with no detail. */
export function toRefusal(ctx: Pick<Context, "log">, error: unknown): OAuthError {
  if (isOAuthError(error)) return error;
  if (isDatabaseAway(error)) {
    ctx.log.warn("database away", { error });
    return new OAuthError(
      "temporarily_unavailable",
      "The server cannot reach its database. Try again in a moment.",
      {
        headers: { "retry-after": String(RETRY_AFTER) },
        cause: error,
      },
    );
  }
  ctx.log.error("unexpected error", { error });
  return new OAuthError(
    "server_error",
    "Something went wrong here. The reference of this request is in X-Request-Id.",
    {
      cause: error,
    },
  );
}

/** A refusal in the words its endpoint speaks. */
export function refusalResponse(ctx: Context, format: ErrorFormat, refusal: OAuthError): Response {
  switch (format) {
    case "oauth":
      return oauthError(ctx, refusal);
    case "problem":
      return problem(ctx, refusal);
    case "bearer":
      return json(body(ctx, refusal), { status: refusal.status, headers: refusal.options.headers ?? {} });
    case "page":
      return pageError(ctx, refusal);
  }
}

/** Refusals that a redirect carries without a status of their own are 400 as JSON. */
export const oauthStatus = ({ code, status }: Pick<OAuthError, "code" | "status">): number =>
  code === "access_denied" ? 400 : status;

function oauthError(ctx: Context, refusal: OAuthError): Response {
  const headers = { ...refusal.options.headers };
  // "the authorization server MUST … include the 'WWW-Authenticate' response header field" (RFC 6749 §5.2)
  if (refusal.code === "invalid_client")
    headers["www-authenticate"] ??= basicChallenge(new URL(ctx.settings.serverUrl).host);
  return json(body(ctx, refusal), { status: oauthStatus(refusal), headers });
}

function body({ settings }: Context, { code, description, options }: OAuthError): Record<string, unknown> {
  return {
    error: code,
    error_description: errorDescription(description),
    ...(options.detail ? { error_code: options.detail } : {}),
    error_uri: `${settings.serverUrl}/errors/${options.detail ?? code}`,
    ...options.members,
  };
}

/** RFC 9457, with `error` and `error_description` so that a client reads the same two members everywhere (D8). */
function problem({ settings }: Context, { code, description, status, options }: OAuthError): Response {
  const document = {
    type: `${settings.serverUrl}/errors/${options.detail ?? code}`,
    title: code.replaceAll("_", " "),
    status,
    detail: description,
    error: code,
    error_description: description,
    ...options.members,
  };
  return json(document, {
    status,
    headers: { ...options.headers, "content-type": "application/problem+json" },
  });
}

function pageError({ settings }: Context, refusal: OAuthError): Response {
  // 401 would promise a challenge (RFC 9110 §15.5.2), and no person can answer one here.
  const status = refusal.status === 401 ? 400 : refusal.status;
  const page = noticePage({
    title: PAGE_TITLES[refusal.code] ?? "This request cannot be answered",
    status,
    issuerHost: new URL(settings.serverUrl).host,
    happened: refusal.description,
    reference: [refusal.code, currentRequestId()].filter(Boolean).join(" "),
  });
  for (const [name, value] of Object.entries(refusal.options.headers ?? {})) page.headers.set(name, value);
  return page;
}

const PAGE_TITLES: Partial<Record<keyof typeof ERRORS, string>> = {
  invalid_client: "This app is not known here",
  invalid_request_uri: "This link no longer works",
  invalid_redirect_uri: "This app asked to be answered at an address that is not its own",
  temporarily_unavailable: "The server is not ready",
  server_error: "Something went wrong here",
  too_many_requests: "Too many tries",
  forbidden: "This form cannot be accepted",
  not_found: "There is nothing here",
};
