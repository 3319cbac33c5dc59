import type { Alarm } from "./courier";

/** The longest time that a timer can be set to. */
const LONGEST = 2 ** 31 - 1;

/** An alarm of this process, by a timer that does not keep it alive. */
export function alarmClock(now: () => Date): Alarm {
  let timer: NodeJS.Timeout | undefined;
  return (at, ring) => {
    clearTimeout(timer);
    if (!at) return;
    const wait = Math.min(Math.max(0, at.getTime() - now().getTime()), LONGEST);
    timer = setTimeout(ring, wait).unref();
  };
}
