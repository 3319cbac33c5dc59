import { expect, it } from "vitest";
import { createBreaker } from "./breaker";

const start = Date.parse("2026-11-22T12:00:00Z");
const at = (seconds: number) => new Date(start + seconds * 1000);

/** For how long a receiver rests after each failure, in seconds; each comes as soon as it may be tried again. */
function restsAfter(failures: number): number[] {
  const breaker = createBreaker();
  let now = at(0);
  return Array.from({ length: failures }, () => {
    breaker.failed("x", now);
    const until = breaker.restsUntil("x", now) ?? now;
    const rest = (until.getTime() - now.getTime()) / 1000;
    now = until;
    return rest;
  });
}

it("lets two failures be chance, then rests longer each time, a minute at most", () => {
  expect(restsAfter(9)).toEqual([0, 0, 5, 10, 20, 40, 60, 60, 60]);
});

it("counts those that were under way together as one", () => {
  const breaker = createBreaker();
  for (let count = 0; count < 8; count += 1) breaker.failed("x", at(0));
  expect(breaker.restsUntil("x", at(0))).toEqual(at(5));
});

it("forgets everything at the first success, and knows receivers apart", () => {
  const breaker = createBreaker();
  for (let count = 0; count < 3; count += 1) breaker.failed("x", at(0));
  expect([breaker.isDoubtful("x"), breaker.isDoubtful("y")]).toEqual([true, false]);
  expect(breaker.restsUntil("y", at(0))).toBe(undefined);
  breaker.succeeded("x");
  expect([breaker.isDoubtful("x"), breaker.restsUntil("x", at(0))]).toEqual([false, undefined]);
});

it("remembers a thousand receivers, those that failed last", () => {
  const breaker = createBreaker();
  for (const receiver of ["first", ...Array.from({ length: 1000 }, (_, place) => `${place}`)])
    for (let count = 0; count < 3; count += 1) breaker.failed(receiver, at(0));
  expect([breaker.isDoubtful("first"), breaker.isDoubtful("999")]).toEqual([false, true]);
});
