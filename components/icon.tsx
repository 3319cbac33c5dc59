const STROKES = {
  tick: "M3.5 8.5 6.5 11.5 12.5 4.5",
  unverified: "M5.5 6a2.5 2.5 0 1 1 3.6 2.2c-.8.4-1.1.9-1.1 1.8M8 12.7v.1",
  read: "M1.5 8C3 5.3 5.3 4 8 4s5 1.3 6.5 4C13 10.7 10.7 12 8 12S3 10.7 1.5 8ZM8 6.5v3M6.5 8h3",
  change: "M2.5 13.5 3.5 10 11 2.5 13.5 5 6 12.5ZM9.5 4 12 6.5",
  exact: "M8 3.5a4.5 4.5 0 1 1 0 9 4.5 4.5 0 0 1 0-9ZM8 1.5v3.5M8 11v3.5M1.5 8H5M11 8h3.5",
  high: "M8 2 14.5 13.5H1.5ZM8 6.5V9.5M8 11.5v.1",
} as const;

export type IconName = keyof typeof STROKES;

/** A small drawn sign; always beside the word that says the same, so hidden from assistive technology. */
export function Icon({ name }: { name: IconName }) {
  return (
    <svg
      aria-hidden="true"
      viewBox="0 0 16 16"
      width="16"
      height="16"
      fill="none"
      stroke="currentColor"
      strokeWidth="1.5"
      strokeLinecap="round"
      strokeLinejoin="round"
    >
      <path d={STROKES[name]} />
    </svg>
  );
}
