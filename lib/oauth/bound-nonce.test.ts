import { randomBytes } from "node:crypto";
import { describe, expect, it } from "vitest";
import { boundNonce, isBoundNonce, NONCE_BYTES, NONCE_RANDOM_BYTES, nonceMadeAt } from "./bound-nonce";

const KEY = Buffer.alloc(32, 1);
const MADE = new Date("2026-11-28T12:00:00Z");
const later = (seconds: number) => new Date(MADE.getTime() + seconds * 1000);

const make = (binding = "Ada signs this", key = KEY) =>
  boundNonce(key, binding, { now: MADE, random: randomBytes(NONCE_RANDOM_BYTES) });

const holds = (nonce: Buffer, { key = KEY, binding = "Ada signs this", now = MADE } = {}) =>
  isBoundNonce(key, binding, { nonce, now, maxAge: 300 });

describe("a nonce that nobody stored", () => {
  it("is known again, says when it was made, and is another every time", () => {
    const [one, other] = [make(), make()];
    expect([holds(one), holds(other), one.equals(other)]).toEqual([true, true, false]);
    expect([one.length, nonceMadeAt(one)]).toEqual([NONCE_BYTES, MADE]);
  });

  it("§13.4.3: has 16 random bytes or more (WebAuthn Level 3)", () => {
    expect(NONCE_RANDOM_BYTES).toBeGreaterThanOrEqual(16);
  });

  it("is none for another purpose, or under another key", () => {
    expect(holds(make(), { binding: "Ada signs that" })).toBe(false);
    expect(holds(make(), { key: Buffer.alloc(32, 2) })).toBe(false);
  });

  it.each([
    [-61, false],
    [-60, true],
    [300, true],
    [301, false],
  ])("counts at %d seconds: %s", (seconds, counts) => {
    expect(holds(make(), { now: later(seconds) })).toBe(counts);
  });

  it("is none with any bit changed, or of another length", () => {
    const nonce = make();
    for (let bit = 0; bit < NONCE_BYTES * 8; bit += 1) {
      const changed = Buffer.from(nonce);
      changed.writeUInt8(changed.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
      expect(holds(changed), `bit ${bit}`).toBe(false);
    }
    for (const other of [nonce.subarray(1), Buffer.concat([nonce, nonce.subarray(0, 1)]), Buffer.alloc(0)])
      expect(holds(other)).toBe(false);
  });
});
