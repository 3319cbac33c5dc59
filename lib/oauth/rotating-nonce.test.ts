import { expect, it } from "vitest";
import { deriveKey } from "@/lib/secret-key";
import { isRecentNonce, nonceAt } from "./rotating-nonce";

const key = deriveKey("s".repeat(64), "dpop-nonce");
const at = (seconds: number) => new Date((1_800_000_000 + seconds) * 1000);

it("RFC 9449 §8: a nonce is the same for everybody within its period, and another in the next", () => {
  expect(nonceAt(key, at(0))).toMatch(/^[\w-]{32}$/);
  expect(nonceAt(key, at(299))).toBe(nonceAt(key, at(0)));
  expect(nonceAt(key, at(300))).not.toBe(nonceAt(key, at(0)));
});

it.each([
  ["just given out", 0, true],
  ["of the period before", -300, true],
  ["of an instance whose clock is ahead", 300, true],
  ["two periods old", -600, false],
  ["of a time to come", 600, false],
])("a nonce %s counts: %s", (_, seconds, counts) => {
  expect(isRecentNonce(key, nonceAt(key, at(seconds)), at(0))).toBe(counts);
});

it("a nonce of another server, or of another purpose, is none", () => {
  const elsewhere = deriveKey("t".repeat(64), "dpop-nonce");
  const challenge = deriveKey("s".repeat(64), "attestation-challenge");
  for (const other of [elsewhere, challenge])
    expect(isRecentNonce(key, nonceAt(other, at(0)), at(0))).toBe(false);
});

it.each(["", "x", "é".repeat(32)])("%j is no nonce", (nonce) => {
  expect(isRecentNonce(key, nonce, at(0))).toBe(false);
});

it("what is longer or shorter than a nonce is none", () => {
  const nonce = nonceAt(key, at(0));
  expect(isRecentNonce(key, `${nonce}A`, at(0))).toBe(false);
  expect(isRecentNonce(key, nonce.slice(1), at(0))).toBe(false);
});
