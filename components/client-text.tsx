// Control characters and the marks that reorder or hide text: an app must not be able to draw with them.
const INVISIBLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;
const graphemes = new Intl.Segmenter("en", { granularity: "grapheme" });

/** Text that an app chose for itself: inert, isolated from its surroundings, and cut to `max` characters. */
export function ClientText({ text, max = 60 }: { text: string; max?: number }) {
  return <bdi>{shorten(text, max)}</bdi>;
}

/** The same text as a plain string, for places that take no elements. */
export function shorten(text: string, max: number): string {
  const characters = Array.from(
    graphemes.segment(text.replace(INVISIBLE, "").trim()),
    ({ segment }) => segment,
  );
  return characters.length <= max
    ? characters.join("")
    : `${characters
        .slice(0, max - 1)
        .join("")
        .trimEnd()}…`;
}
