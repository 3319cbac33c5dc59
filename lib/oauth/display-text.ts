// Control, format (bidi, zero-width, tags), surrogate and separator characters; then letters and marks
// that show as nothing; then piles of marks that climb over the lines around them.
const NOT_PLAIN =
  /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]|\u034f|\u115f|\u1160|\u17b4|\u17b5|\u2800|\u3164|\uffa0|[\u{e0100}-\u{e01ef}]|\p{M}{5}/u;

const EVERY_NOT_PLAIN = new RegExp(NOT_PLAIN, "gu");

const graphemesOf = new Intl.Segmenter("en", { granularity: "grapheme" });

/** True for one line of text that reads as it is stored: nothing invisible, nothing that reorders (UTR 36 §2). */
export function isPlainText(text: string): boolean {
  return !NOT_PLAIN.test(text);
}

/** Text as one plain line of at most so many characters, whatever was in it (UTR 36 §2). */
export function toPlainText(text: string, graphemes: number): string {
  const line = text.replace(/\s+/g, " ").trim().replace(EVERY_NOT_PLAIN, "");
  return shortenForDisplay(line, graphemes);
}

/** UTF-16 units that a character has at most, of all on average: some letters join into one character without end. */
const LONGEST_CHARACTER = 8;

/** Cuts text to a number of characters as people count them, ending it in an ellipsis (UAX 29 §3). */
export function shortenForDisplay(text: string, graphemes: number): string {
  let kept = 0;
  let end = 0;
  for (const { index, segment } of graphemesOf.segment(text)) {
    const isTooLong = index + segment.length > graphemes * LONGEST_CHARACTER;
    if (kept === graphemes - 1 || (isTooLong && kept < graphemes)) end = index;
    if (kept === graphemes || isTooLong) return `${text.slice(0, end)}…`;
    kept += 1;
  }
  return text;
}
