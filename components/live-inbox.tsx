"use client";

import { useRouter } from "next/navigation";
import { type ReactNode, useEffect, useRef, useState } from "react";

/** Milliseconds between two looks. */
const PERIOD = 3000;

type LiveProps = {
  /** The ids of what the list shows. */
  known: readonly string[];
  children: ReactNode;
};

/** Keeps a list as it is on the server, says so, and can be paused; without JavaScript the list stays as it came. */
export function LiveInbox({ known, children }: LiveProps) {
  const router = useRouter();
  const shown = useRef(known);
  shown.current = known;
  const [isPaused, setPaused] = useState(false);
  const [seconds, setSeconds] = useState<number>();
  const [news, setNews] = useState("");
  const [isLost, setLost] = useState(false);

  useEffect(() => {
    setSeconds(0);
    if (isPaused) return;
    let last = Date.now();
    const look = async () => {
      const waiting = await waitingNow();
      setLost(waiting === undefined);
      if (!waiting) return;
      last = Date.now();
      setSeconds(0);
      const said = newsOf(shown.current, waiting);
      if (said) setNews(said);
      if (said || waiting.length !== shown.current.length) router.refresh();
    };
    const looking = setInterval(look, PERIOD);
    const counting = setInterval(() => setSeconds(Math.round((Date.now() - last) / 1000)), 1000);
    return () => {
      clearInterval(looking);
      clearInterval(counting);
    };
  }, [isPaused, router]);

  return (
    <>
      {children}
      {seconds !== undefined && (
        <p className="live aside">
          <span>{isLost ? "The server cannot be reached." : updated(isPaused, seconds)}</span>
          <button
            className="textual"
            type="button"
            aria-pressed={isPaused}
            onClick={() => setPaused(!isPaused)}
          >
            Pause updates
          </button>
        </p>
      )}
      <p className="sr-only" role="status" aria-live="polite">
        {news}
      </p>
    </>
  );
}

/** What to say aloud of questions that were not there before. */
function newsOf(shown: readonly string[], waiting: readonly string[]): string {
  const added = waiting.filter((id) => !shown.includes(id)).length;
  if (added === 0) return "";
  return added === 1 ? "A new question waits for you." : `${added} new questions wait for you.`;
}

const updated = (isPaused: boolean, seconds: number): string =>
  isPaused ? "Updates are paused." : `Updated ${seconds < 1 ? "just now" : `${seconds} s ago`}.`;

/** The ids of what waits now; undefined: nobody knows, and the next look may. */
async function waitingNow(): Promise<readonly string[] | undefined> {
  try {
    const response = await fetch("/approvals?status=pending");
    if (!response.ok) return undefined;
    const { items } = await response.json();
    return items.map(({ id }: { id: string }) => id);
  } catch {
    return undefined;
  }
}
