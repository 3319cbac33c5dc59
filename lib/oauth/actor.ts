import { OAuthError } from "@/lib/errors";
import type { Actor } from "./access-token";

/**
 * Everybody who acts in a chain, the current actor first (RFC 8693 §4.1). Names mean something only together with who
 * gave them: another server's `client:a` is none of ours, and is told as `https://its.issuer client:a`.
 */
export function actorsOf(act: Actor | undefined): readonly string[] {
  return act ? [nameOf(act), ...actorsOf(act.act)] : [];
}

const nameOf = ({ sub, iss }: Actor): string => (iss === undefined ? sub : `${iss} ${sub}`);

/** How often a token was delegated; our person at the innermost place is its root and no hop (product decision D7). */
export function delegationDepth(act: Actor | undefined): number {
  if (!act || isRoot(act)) return 0;
  return 1 + delegationDepth(act.act);
}

const isRoot = ({ sub, iss, act }: Actor): boolean => !act && iss === undefined && sub.startsWith("user:");

/** Who acts with a token now: its outermost actor, or, where nobody was delegated to, its subject. */
export const currentActor = ({ sub, act }: Chained): string => (act ? nameOf(act) : sub);

/** The chain with one more actor, outermost; who acts already is not added again. */
export function extendChain(token: Chained, actor: string): Actor | undefined {
  if (currentActor(token) === actor) return token.act;
  return { sub: actor, ...(token.act && { act: token.act }) };
}

/** The chain with the person it started from innermost, for verifiers that look for them there (D7). */
export function withRoot(act: Actor | undefined, root: string): Actor | undefined {
  if (!act || isRoot(act)) return act;
  const inner = act.act ? withRoot(act.act, root) : { sub: root };
  return { ...act, ...(inner && { act: inner }) };
}

/**
 * Whether an actor token belongs to the delegation of a subject token: without actors of its own it is the client's
 * own; otherwise it must be for the same subject, with the same actors before the client. Anything else joins the
 * beginning of one delegation to the end of another (chain splicing).
 */
export function continuesChain(subject: Chained, actor: Chained): boolean {
  if (actor.act === undefined) return true;
  const [current, ...ancestors] = actorsOf(actor.act);
  const chain = actorsOf(subject.act);
  return (
    actor.sub === subject.sub && (sameList(ancestors, chain) || sameList([current, ...ancestors], chain))
  );
}

type Chained = { sub: string; act?: Actor | undefined };

const sameList = (a: readonly unknown[], b: readonly unknown[]): boolean =>
  a.length === b.length && a.every((item, index) => item === b[index]);

/** Refuses an actor whom the subject token's `may_act` does not name; one that cannot be read names nobody (RFC 8693 §4.4). */
export function checkMayAct(mayAct: unknown, actor: string): void {
  if (mayAct === undefined || namesActor(mayAct, actor)) return;
  throw new OAuthError("unauthorized_client", "The subject token's may_act does not name this client.", {
    detail: "may_act_violation",
  });
}

function namesActor(mayAct: unknown, actor: string): boolean {
  if (typeof mayAct !== "object" || mayAct === null || Array.isArray(mayAct)) return false;
  const { sub } = mayAct as { sub?: unknown };
  return Array.isArray(sub) ? sub.includes(actor) : sub === actor;
}
