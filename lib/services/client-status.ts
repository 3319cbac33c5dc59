import { type SQL, sql } from "drizzle-orm";
import { type ClientStatus, clients } from "@/db/schema/clients";
import { OAuthError } from "@/lib/errors";

/** Who changes a status. */
export type StatusSetter = {
  /** In the words of the audit. */
  actor: string;
  /** The operator or an admin (product decision D16): undoes what others did. */
  isOperator: boolean;
};

/** A change of the status of clients. */
export type StatusChange = {
  status: ClientStatus;
  by: StatusSetter;
  /** What it is aimed at: a client id, or a person as `user:<id>`. A thaw ends the freeze of the same aim only. */
  aim: string;
  from?: readonly ClientStatus[];
};

type Standing = Pick<typeof clients.$inferSelect, "clientId" | "status" | "statusBy" | "frozenWith">;

/** What leads to a status unless the caller says otherwise: nobody is brought back from the dead by thawing. */
const COMES_FROM: Record<ClientStatus, readonly ClientStatus[]> = {
  active: ["frozen"],
  // Held back twice, it goes on after two thaws.
  frozen: ["active", "frozen"],
  disabled: ["active", "frozen"],
};

/** Whether a change does anything to a client; throws where it may not. */
export function isChangedBy(
  client: Standing,
  { status, by, aim, from = COMES_FROM[status] }: StatusChange,
): boolean {
  if (!from.includes(client.status)) return false;
  const isHeld = client.frozenWith.includes(aim);
  if (status === "frozen") return !isHeld;
  if (status === client.status) return false;
  if (status === "disabled") return true;
  if (client.status === "frozen" && !isHeld) return false;
  // What is held with it was held by whoever froze this one.
  if (client.clientId === aim) requireMayStart(by, client);
  return true;
}

/** Refuses to let an owner lead an agent out of what somebody else put it in (product decision D16). */
export function requireMayStart(
  { actor, isOperator }: StatusSetter,
  { status, statusBy }: Pick<Standing, "status" | "statusBy">,
): void {
  if (isOperator || status === "active" || statusBy === actor) return;
  const did = status === "frozen" ? "froze" : "stopped";
  throw new OAuthError("forbidden", `Somebody else ${did} this agent: ask an admin.`);
}

/** The columns after a change that changes something. */
export function standingAfter({ status, by: { actor, isOperator }, aim }: StatusChange): After {
  const { clientId, frozenWith, statusBy } = clients;
  const setBy = (isTheirs: SQL) => sql`case when ${isTheirs} then ${actor}::text else ${statusBy} end`;
  const isActive = sql`${clients.status} = 'active'`;
  const isHeldNoMore = sql`${frozenWith} <@ array[${aim}::text]`;
  const after: Record<ClientStatus, After> = {
    active: {
      status: sql`case when ${isHeldNoMore} then 'active' else 'frozen' end`,
      statusBy: setBy(isHeldNoMore),
      frozenWith: sql`array_remove(${frozenWith}, ${aim}::text)`,
    },
    frozen: {
      status,
      // Frozen with another, it is thawed by whoever thaws that one: what counts then is who froze it by itself.
      statusBy: setBy(sql`${isActive} or ${clientId} = ${aim}`),
      frozenWith: sql`array_append(${frozenWith}, ${aim}::text)`,
    },
    // An owner who stops what is frozen already does not make it theirs to start.
    disabled: { status, statusBy: isOperator ? actor : setBy(isActive), frozenWith: [] },
  };
  return after[status];
}

type After = { status: ClientStatus | SQL; statusBy: string | SQL; frozenWith: string[] | SQL };
