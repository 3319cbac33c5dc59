import type { ChainProof, ProvenHop } from "@/lib/oauth/chain-proof";
import { formatScope } from "@/lib/oauth/scope";

type Proven = Extract<ChainProof, { ok: true }>;

/** A proof as a person reads it: where the chain started, a line for each hop, the verdict. */
export function chainReport(
  proof: ChainProof,
  { now, keys }: { now: Date; keys: "given" | "server" | "bundle" },
): string {
  if (!proof.ok) return ["Not proven:", ...proof.problems.map((problem) => `  ${plain(problem)}`)].join("\n");
  return [
    `Issued by ${plain(proof.issuer)} for ${plain(proof.origin.sub)}.`,
    "",
    ...table([HEAD, originLine(proof, now), ...proof.hops.map((hop, index) => hopLine(hop, index, now))]),
    "",
    verdict(proof),
    ...(keys === "given"
      ? []
      : [`The keys came from ${KEY_SOURCES[keys]}; pass --jwks to prove with keys you know.`]),
  ].join("\n");
}

const KEY_SOURCES = { server: "the server's answer", bundle: "the bundle itself" } as const;

const HEAD = ["", "WHO", "SCOPE", "DROPPED", "FOR", "TIME", "ALLOWED BY"];

function originLine({ origin, hops }: Proven, now: Date): readonly string[] {
  if ("issuer" in origin) return ["start", origin.sub, "", "", `as ${origin.issuer} says`, "", ""];
  const { client_id, scope, aud, exp, grant, approval } = origin;
  const allowed = [grant && `grant ${grant}`, approval && `approval ${approval}`].filter(Boolean).join(", ");
  return [
    "start",
    `client:${client_id}`,
    reach(scope.split(" ").filter(Boolean), hops[0]?.detailsBefore ?? []),
    "",
    aud,
    timeLeft(new Date(exp * 1000), now),
    allowed,
  ];
}

function hopLine(hop: ProvenHop, index: number, now: Date): readonly string[] {
  const { actor, audience, scopeBefore, scopeAfter, dropped, expiresAt, policy, approval } = hop;
  const after = reach(scopeAfter, hop.detailsAfter);
  return [
    String(index + 1),
    actor,
    scopeBefore ? `${reach(scopeBefore, hop.detailsBefore)} → ${after}` : after,
    formatScope(dropped),
    audience,
    timeLeft(expiresAt, now),
    approval ? `${policy}, approval ${approval}` : policy,
  ];
}

/** How far a token goes: its scope, and the types of what it says in detail (RFC 9396). */
const reach = (scope: readonly string[], details: readonly string[]): string =>
  [formatScope(scope), details.length > 0 && `in detail: ${details.join(", ")}`].filter(Boolean).join("; ") ||
  "nothing";

function timeLeft(end: Date, now: Date): string {
  const seconds = Math.floor((end.getTime() - now.getTime()) / 1000);
  return seconds > 0 ? `${seconds} s left` : "ended";
}

function verdict({ hops, expired }: Proven): string {
  const chain =
    hops.length === 0
      ? "Proven: nobody was delegated to."
      : `Proven: ${hops.length} ${hops.length === 1 ? "hop" : "hops"}, and none gave more than there was before it.`;
  const still = expired
    ? "The token has expired."
    : "This proves how the token came about, not that it still counts: ask /introspect.";
  const details = hops.some(({ detailsAfter }) => detailsAfter.length > 0)
    ? " That each authorization detail says no more than one before it is the server's word: it takes the schema of its type."
    : "";
  return `${chain}${details} ${still}`;
}

function table(rows: readonly (readonly string[])[]): readonly string[] {
  const cells = rows.map((row) => row.map(plain));
  const widths = HEAD.map((_, column) => Math.max(...cells.map((row) => row[column]?.length ?? 0)));
  return cells.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join("  ")
      .trimEnd(),
  );
}

/** Text that somebody else signed, for a terminal: nothing in it moves the cursor or turns the line around. */
const plain = (text: string): string => text.replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, "?");
