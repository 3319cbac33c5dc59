import { describe, expect, it } from "vitest";
import { nextWait, planMessages } from "./outbox-plan";

const now = new Date("2026-11-22T12:00:00Z");
const ago = (seconds: number) => new Date(now.getTime() - seconds * 1000);
const rows = (...events: string[]) => events.map((event, place) => ({ event, id: `${event}${place}` }));

/** The ids of what goes out, what waits, and for how many seconds. */
function plan(waiting: ReturnType<typeof rows>, sentAt: Date[], limit: number) {
  const { messages, later, roomAt } = planMessages({ waiting, sentAt, limit, now });
  return {
    messages: messages.map((message) => message.map(({ id }) => id).join("+")),
    later: later.map(({ id }) => id),
    ...(later.length > 0 ? { after: (roomAt.getTime() - now.getTime()) / 1000 } : {}),
  };
}

describe("messages to one destination", () => {
  it.each([
    ["one with room for it", rows("r"), [], 3, { messages: ["r0"], later: [] }],
    ["as many as there is room for", rows("r", "r"), [ago(1)], 3, { messages: ["r0", "r1"], later: [] }],
    ["one more than that", rows("r", "r", "r"), [ago(1)], 3, { messages: ["r0+r1+r2"], later: [] }],
    ["of two kinds", rows("r", "d", "r"), [], 2, { messages: ["r0+r2", "d1"], later: [] }],
    [
      "of two kinds with room for one",
      rows("r", "d", "r"),
      [],
      1,
      { messages: ["r0+r2"], later: ["d1"], after: 60 },
    ],
    ["no room", rows("r"), [ago(50), ago(20)], 2, { messages: [], later: ["r0"], after: 10 }],
    ["less than none", rows("r"), [ago(50), ago(20), ago(5)], 2, { messages: [], later: ["r0"], after: 40 }],
    ["nothing", [], [], 2, { messages: [], later: [] }],
  ] as const)("%s", (_, waiting, sentAt, limit, expected) => {
    expect(plan([...waiting], [...sentAt], limit)).toEqual(expected);
  });
});

describe("the wait before the next try", () => {
  const backoff = [1, 5, 30];

  it.each([
    [1, 0, 1000],
    [2, 0, 5000],
    [3, 0, 30_000],
    [1, 1, 1200],
    [3, 0.5, 33_000],
  ])("after %d tries, by a chance of %d: %d ms", (attempts, chance, expected) => {
    expect(nextWait(backoff, { attempts, chance })).toBeCloseTo(expected);
  });

  it("after the last there is none", () => {
    expect(nextWait(backoff, { attempts: 4, chance: 0 })).toBe(undefined);
    expect(nextWait([], { attempts: 1, chance: 0 })).toBe(undefined);
  });

  it("is as long as the receiver asks, an hour at most", () => {
    const waits = [2, 60, 999_999].map((retryAfter) =>
      nextWait(backoff, { attempts: 2, retryAfter, chance: 0 }),
    );
    expect(waits).toEqual([5000, 60_000, 3_600_000]);
  });
});
