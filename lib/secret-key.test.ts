import { CompactEncrypt } from "jose";
import { describe, expect, it } from "vitest";
import { deriveKey, open, seal, UnsealError } from "./secret-key";

const SECRET = "correct horse battery staple, thirty-two";
const key = deriveKey(SECRET, "keys");

describe("deriving keys (RFC 5869)", () => {
  it("always derives the same key: what is stored today opens after an upgrade", () => {
    expect(key.toString("hex")).toBe("627b94c135d53393dee3ef0f6d598d9ed670431d8fce9aa558bb19eca48a381e");
  });

  it("derives another key for another purpose and for another secret", () => {
    const keys = [
      key,
      deriveKey(SECRET, "csrf"),
      deriveKey(SECRET, "check"),
      deriveKey(`${SECRET}!`, "keys"),
    ];
    expect(new Set(keys.map((each) => each.toString("hex"))).size).toBe(4);
  });
});

describe("sealing (RFC 7516)", () => {
  it("opens what it sealed", async () => {
    expect(await open(key, await seal(key, "schlüssel 🔑"))).toBe("schlüssel 🔑");
  });

  it("never seals the same text to the same bytes", async () => {
    expect(await seal(key, "text")).not.toBe(await seal(key, "text"));
  });

  it("throws UnsealError under the key of another purpose", async () => {
    const sealed = await seal(key, "text");
    await expect(open(deriveKey(SECRET, "csrf"), sealed)).rejects.toThrow(UnsealError);
  });

  it("throws UnsealError when one character of the ciphertext changed", async () => {
    const [header, none, iv, text = "", tag] = (await seal(key, "text")).split(".");
    const changed = [header, none, iv, (text.startsWith("A") ? "B" : "A") + text.slice(1), tag].join(".");
    await expect(open(key, changed)).rejects.toThrow(UnsealError);
  });

  it("RFC 8725 §3.2: opens direct A256GCM only, also under the right key", async () => {
    const wrapped = await new CompactEncrypt(new TextEncoder().encode("text"))
      .setProtectedHeader({ alg: "A256GCMKW", enc: "A256GCM" })
      .encrypt(key);
    await expect(open(key, wrapped)).rejects.toThrow(UnsealError);
  });
});
