import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { createWaiting, type Waiting } from "./waiting";

/** What the database would say has changed lately. */
let changed: { id: string; changedAt: Date }[];
let looks: number;
let errors: unknown[];
let waiting: Waiting;

const START = new Date("2026-11-28T12:00:00Z");

beforeEach(() => {
  vi.useFakeTimers({ now: START });
  changed = [];
  looks = 0;
  errors = [];
  waiting = createWaiting({
    changes: async () => {
      looks += 1;
      return changed;
    },
    onError: (error) => errors.push(error),
  });
});

afterEach(() => vi.useRealTimers());

const now = () => new Date(Date.now());

describe("waiting for an answer", () => {
  it("given here: those who wait hear of it at once", async () => {
    const first = waiting.until("a", 60_000, START);
    const second = waiting.until("b", 1000, START);
    waiting.wake(["a"]);
    expect(await first).toBe(true);
    expect(waiting.size).toBe(1);
    await vi.advanceTimersByTimeAsync(1000);
    expect(await second).toBe(false);
    expect(waiting.size).toBe(0);
  });

  it("given on another instance: they hear of it with the next look", async () => {
    const answer = waiting.until("a", 60_000, START);
    await vi.advanceTimersByTimeAsync(900);
    changed = [{ id: "a", changedAt: now() }];
    await vi.advanceTimersByTimeAsync(300);
    expect(await answer).toBe(true);
  });

  it("what somebody knows of is no news to them, and what they missed is", async () => {
    await vi.advanceTimersByTimeAsync(1000);
    const seen = now();
    changed = [{ id: "a", changedAt: seen }];
    const knows = waiting.until("a", 60_000, seen);
    const missed = waiting.until("a", 60_000, START);
    await vi.advanceTimersByTimeAsync(300);
    expect(await missed).toBe(true);
    expect(waiting.size).toBe(1);
    changed = [{ id: "a", changedAt: now() }];
    await vi.advanceTimersByTimeAsync(300);
    expect(await knows).toBe(true);
  });

  it("two thousand who wait are one look, and nobody is none", async () => {
    const all = Array.from({ length: 2000 }, (_, index) => waiting.until(`a${index}`, 3000, START));
    await vi.advanceTimersByTimeAsync(3000);
    expect(await Promise.all(all)).toEqual(all.map(() => false));
    expect(looks).toBeLessThanOrEqual(10);
    const before = looks;
    await vi.advanceTimersByTimeAsync(10_000);
    expect(looks).toBeLessThanOrEqual(before + 1);
  });

  it("goes on when a look fails, and says so", async () => {
    const broken = createWaiting({
      changes: () => Promise.reject(new Error("away")),
      onError: (error) => errors.push(error),
    });
    const answer = broken.until("a", 1000, START);
    await vi.advanceTimersByTimeAsync(1000);
    expect(await answer).toBe(false);
    expect(errors.length).toBeGreaterThan(1);
  });

  it("a server that stops lets everybody go on", async () => {
    const answers = ["a", "b"].map((id) => waiting.until(id, 60_000, START));
    waiting.stop();
    expect(await Promise.all(answers)).toEqual([true, true]);
    expect(await waiting.until("a", 60_000, START)).toBe(false);
  });
});
