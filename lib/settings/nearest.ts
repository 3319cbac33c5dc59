/** The candidate that takes the fewest single-letter edits to reach, the prefix `AUTHGENT_` not counted. */
export function nearestName(name: string, candidates: readonly string[]): string | undefined {
  const ranked = candidates.map((candidate) => ({
    candidate,
    edits: editDistance(withoutPrefix(name), withoutPrefix(candidate)),
  }));
  return ranked.sort((a, b) => a.edits - b.edits)[0]?.candidate;
}

const withoutPrefix = (name: string) => name.replace(/^AUTHGENT_/, "");

/** Levenshtein's distance, one row of the matrix at a time. */
function editDistance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, column) => column);
  for (const [i, a] of [...from].entries()) {
    const next = [i + 1];
    for (const [j, b] of [...to].entries()) {
      const replaced = (row[j] ?? 0) + (a === b ? 0 : 1);
      next.push(Math.min(replaced, (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1));
    }
    row = next;
  }
  return row.at(-1) ?? 0;
}
