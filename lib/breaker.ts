/** Failures in a row that are chance. */
const TOLERATED = 3;
/** Seconds without a try after them; twice as many each time that the next one fails too. */
const FIRST_REST = 5;
const LONGEST_REST = 60;
/** Receivers remembered; those of push services are strangers' to choose. */
const MAX_RECEIVERS = 1000;

type State = { failures: number; until: number };

/** Remembers who does not answer, so that nobody waits for them again and again. One instance's memory, and no truth. */
export type Breaker = {
  /** Undefined: go on. */
  restsUntil(receiver: string, now: Date): Date | undefined;
  /** The last tries failed: one is enough to see whether that is over. */
  isDoubtful(receiver: string): boolean;
  failed(receiver: string, now: Date): void;
  succeeded(receiver: string): void;
};

export function createBreaker(): Breaker {
  const states = new Map<string, State>();
  return {
    restsUntil(receiver, now) {
      const { until = 0 } = states.get(receiver) ?? {};
      return until > now.getTime() ? new Date(until) : undefined;
    },
    isDoubtful: (receiver) => (states.get(receiver)?.failures ?? 0) >= TOLERATED,
    failed(receiver, now) {
      const state = states.get(receiver) ?? { failures: 0, until: 0 };
      // What was under way with the one that opened it says nothing new.
      if (state.until > now.getTime()) return;
      const failures = state.failures + 1;
      const rest = Math.min(FIRST_REST * 2 ** (failures - TOLERATED), LONGEST_REST);
      const until = failures < TOLERATED ? 0 : now.getTime() + rest * 1000;
      states.delete(receiver);
      states.set(receiver, { failures, until });
      const [longestAgo] = states.keys();
      if (states.size > MAX_RECEIVERS && longestAgo !== undefined) states.delete(longestAgo);
    },
    succeeded: (receiver) => void states.delete(receiver),
  };
}
