/** A sentence in the characters that error_description may have (RFC 6749 §4.1.2.1, §5.2). */
export const errorDescription = (sentence: string): string =>
  sentence.replace(/["\\]/g, "'").replace(/[^\x20-\x7e]/g, "?");
