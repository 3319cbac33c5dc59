import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { alarmClock } from "./alarm-clock";

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

const inSeconds = (seconds: number) => new Date(Date.now() + seconds * 1000);

/** How often it has rung after each second. */
async function rings(set: (alarm: ReturnType<typeof alarmClock>, ring: () => void) => void, seconds: number) {
  let count = 0;
  set(
    alarmClock(() => new Date()),
    () => {
      count += 1;
    },
  );
  const seen = [];
  for (let second = 0; second < seconds; second += 1) {
    await vi.advanceTimersByTimeAsync(1000);
    seen.push(count);
  }
  return seen;
}

it("rings once, at the time it was set to last", async () => {
  const seen = await rings((alarm, ring) => {
    alarm(inSeconds(1.5), ring);
    alarm(inSeconds(2.5), ring);
  }, 4);
  expect(seen).toEqual([0, 0, 1, 1]);
});

it("rings at once for a time that is over", async () => {
  expect(await rings((alarm, ring) => alarm(inSeconds(-60), ring), 1)).toEqual([1]);
});

it("does not ring when it was taken back, nor early for a time that no timer can hold", async () => {
  const seen = await rings((alarm, ring) => {
    alarm(inSeconds(1), ring);
    alarm(undefined, ring);
  }, 2);
  expect(seen).toEqual([0, 0]);
  expect(await rings((alarm, ring) => alarm(inSeconds(86_400 * 365), ring), 2)).toEqual([0, 0]);
});
