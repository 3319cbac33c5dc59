import { createDecipheriv, createECDH, hkdfSync, randomBytes } from "node:crypto";
import type { PushSubscription } from "@/lib/services/push-subscriptions";

export type PushBrowser = {
  subscription: PushSubscription;
  /** What a push message says to this browser, and to nobody else. */
  read(message: { body: Buffer }): unknown;
};

/** A browser that is subscribed at a push service: it alone has the keys (RFC 8291 §2). */
export function pushBrowser(endpoint: string): PushBrowser {
  const keyPair = createECDH("prime256v1");
  const publicKey = keyPair.generateKeys();
  const auth = randomBytes(16);
  return {
    subscription: {
      endpoint,
      keys: { p256dh: publicKey.toString("base64url"), auth: auth.toString("base64url") },
    },
    read({ body }) {
      // The header of aes128gcm: salt, record size, length of the key id, key id (RFC 8188 §2.1).
      const salt = body.subarray(0, 16);
      const keyId = body.subarray(21, 21 + body.readUInt8(20));
      const record = body.subarray(21 + keyId.length);
      const shared = keyPair.computeSecret(keyId);
      // RFC 8291 §3.4
      const info = Buffer.concat([Buffer.from("WebPush: info\0"), publicKey, keyId]);
      const ikm = Buffer.from(hkdfSync("sha256", shared, auth, info, 32));
      const key = hkdfSync("sha256", ikm, salt, "Content-Encoding: aes128gcm\0", 16);
      const nonce = hkdfSync("sha256", ikm, salt, "Content-Encoding: nonce\0", 12);
      const decipher = createDecipheriv("aes-128-gcm", Buffer.from(key), Buffer.from(nonce));
      decipher.setAuthTag(record.subarray(-16));
      const padded = Buffer.concat([decipher.update(record.subarray(0, -16)), decipher.final()]);
      // The last record ends in 2 and padding (RFC 8188 §2).
      const end = padded.lastIndexOf(2);
      return JSON.parse(padded.subarray(0, end).toString("utf8"));
    },
  };
}
