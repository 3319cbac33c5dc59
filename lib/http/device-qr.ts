import { renderSVG, renderUnicodeCompact } from "uqr";
import type { Context } from "@/lib/context";
import { OAuthError } from "@/lib/errors";
import { readUserCode } from "@/lib/oauth/user-code";
import type { Call } from "./call";
import { devicePath } from "./device-entry";

/**
 * `GET /device/qr?user_code=…`: the `verification_uri_complete` of a code to scan, as an image, or with
 * `Accept: text/plain` as characters for a terminal (RFC 8628 §3.3.1). It is drawn for every code that could be one, so
 * that nobody learns which there are.
 */
export async function deviceQrEndpoint({ settings }: Context, call: Call): Promise<Response> {
  const userCode = readUserCode((call.url.searchParams.get("user_code") ?? "").slice(0, 100));
  if (!userCode)
    throw new OAuthError("invalid_request", "Send user_code as the device authorization endpoint gave it.");
  const address = `${settings.serverUrl}${devicePath(userCode)}`;
  const isText = /^text\/plain\b/i.test(call.request.headers.get("accept") ?? "");
  const [type, body] = isText
    ? ["text/plain; charset=utf-8", `${renderUnicodeCompact(address)}\n`]
    : ["image/svg+xml", renderSVG(address)];
  return new Response(body, {
    headers: {
      "content-type": type,
      "cache-control": "no-store",
      vary: "accept",
      // An image of ours, and no document.
      "content-security-policy": "default-src 'none'",
    },
  });
}
