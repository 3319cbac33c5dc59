const calendar = new Intl.DateTimeFormat("en-GB", {
  dateStyle: "long",
  timeStyle: "short",
  timeZone: "UTC",
});
const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto" });

const UNITS = [
  { unit: "year", seconds: 31_536_000 },
  { unit: "month", seconds: 2_592_000 },
  { unit: "day", seconds: 86_400 },
  { unit: "hour", seconds: 3600 },
  { unit: "minute", seconds: 60 },
] as const;

/** An instant as people need it: how far away it is, and exactly when (in UTC, which it says). */
export function Moment({ at, now }: { at: Date; now: Date }) {
  return (
    <time dateTime={at.toISOString()}>
      {distance(at, now)} ({calendar.format(at).replace(" at ", ", ")} UTC)
    </time>
  );
}

/** "3 minutes ago", "in 9 days", "just now". */
export function distance(at: Date, now: Date): string {
  const seconds = (at.getTime() - now.getTime()) / 1000;
  const step = UNITS.find((candidate) => Math.abs(seconds) >= candidate.seconds);
  if (step) return relative.format(Math.round(seconds / step.seconds), step.unit);
  return seconds > 0 ? "in less than a minute" : "just now";
}
