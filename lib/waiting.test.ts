import { expect, it } from "vitest";
import { createWaiting } from "./waiting";

/** Waiting for approvals whose changes the test makes up. */
function waitingFor(changes: { id: string; changedAt: Date }[]) {
  const errors: unknown[] = [];
  const waiting = createWaiting({
    changes: async () => changes,
    now: () => new Date(),
    onError: (error) => errors.push(error),
  });
  return { waiting, errors };
}

const asked = new Date(1000);

it("a change that the waiter has seen is none: nobody is woken by the question itself", async () => {
  const { waiting } = waitingFor([{ id: "a", changedAt: asked }]);
  expect(await waiting.until("a", 700, asked)).toBe(false);
  expect(waiting.size).toBe(0);
});

it("one that came between looking and waiting is not missed, also where others were told of it before", async () => {
  const changes = [{ id: "a", changedAt: new Date(2000) }];
  const { waiting } = waitingFor(changes);
  expect(await waiting.until("a", 5000, asked)).toBe(true);
  expect(await waiting.until("a", 5000, asked)).toBe(true);
});

it("a change on this instance wakes at once", async () => {
  const { waiting } = waitingFor([]);
  const woken = waiting.until("a", 5000, asked);
  waiting.wake(["a"]);
  expect(await woken).toBe(true);
});
