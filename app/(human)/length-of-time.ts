const UNITS = [
  { unit: "day", seconds: 86_400 },
  { unit: "hour", seconds: 3600 },
  { unit: "minute", seconds: 60 },
] as const;
const SECOND = { unit: "second", seconds: 1 } as const;

/** Seconds as people say them, never rounded: "1 hour", "90 minutes", "5 seconds". */
export function lengthOfTime(seconds: number): string {
  const { unit, seconds: one } = UNITS.find((candidate) => seconds % candidate.seconds === 0) ?? SECOND;
  return new Intl.NumberFormat("en", { style: "unit", unit, unitDisplay: "long" }).format(seconds / one);
}
