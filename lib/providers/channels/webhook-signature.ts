import { createHmac } from "node:crypto";

type Signed = { id: string; timestamp: number; body: string };

/** The secrets of the setting, the newest first: several while one takes over from another. */
const secretsOf = (setting: string): string[] => setting.split(" ");

/**
 * `webhook-signature`: one signature for each secret (Standard Webhooks, Signature scheme), so that receivers who know
 * the old or the new one find theirs.
 */
export const standardSignature = (setting: string, { id, timestamp, body }: Signed): string =>
  secretsOf(setting)
    .map((secret) => {
      const hmac = createHmac("sha256", keyOf(secret)).update(`${id}.${timestamp}.${body}`);
      return `v1,${hmac.digest("base64")}`;
    })
    .join(" ");

/** `X-Authgent-Signature-256` of an earlier system: over the body alone, with the newest secret as it is written. */
export const bodySignature = (setting: string, body: string): string =>
  `sha256=${createHmac("sha256", secretsOf(setting)[0] ?? "")
    .update(body)
    .digest("hex")}`;

/** "whsec_" announces base64; any other secret is its own bytes. */
const keyOf = (secret: string): Buffer =>
  secret.startsWith("whsec_")
    ? Buffer.from(secret.slice("whsec_".length), "base64")
    : Buffer.from(secret, "utf8");
