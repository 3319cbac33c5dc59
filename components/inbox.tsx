import { ClientText } from "@/components/client-text";
import { LiveInbox } from "@/components/live-inbox";
import { distance, Moment } from "@/components/moment";

/** One question in a list. */
export type InboxItem = {
  id: string;
  /** "search-bot wants to send 1 payment of 250 EUR to ACME", or wanted to. */
  sentence: string;
  risk: "low" | "medium" | "high";
  status: string;
  href: string;
  requestedAt: string;
  expiresAt: string;
  decidedAt?: string | undefined;
  /** Nobody was asked: it was allowed from now on before. */
  wentAhead: boolean;
};

type InboxProps = { pending: readonly InboxItem[]; past: readonly InboxItem[]; now: string };

/** What waits for a person, newest first, and below it what is over. */
export function Inbox({ pending, past, now }: InboxProps) {
  const at = new Date(now);
  return (
    <>
      <h1>Inbox</h1>
      <p>What agents want to do, and need your answer for first.</p>
      <LiveInbox known={pending.map(({ id }) => id)}>
        {pending.length === 0 ? (
          <p className="status">Nothing waits for you.</p>
        ) : (
          <ul className="inbox">
            {pending.map((item) => (
              <Waiting key={item.id} item={item} now={at} />
            ))}
          </ul>
        )}
      </LiveInbox>
      {past.length > 0 && (
        <section className="section">
          <h2>Over</h2>
          <ul>
            {past.map((item) => (
              <Past key={item.id} item={item} now={at} />
            ))}
          </ul>
        </section>
      )}
    </>
  );
}

const RISKS = { low: "Low risk", medium: "Medium risk", high: "High risk" } as const;

function Waiting({ item, now }: { item: InboxItem; now: Date }) {
  return (
    <li>
      <a href={item.href}>
        <ClientText text={item.sentence} max={300} />
      </a>
      <p className="aside">
        <span className={item.risk === "high" ? "danger" : undefined}>{RISKS[item.risk]}</span>, asked{" "}
        {distance(new Date(item.requestedAt), now)}, lapses <Moment at={new Date(item.expiresAt)} now={now} />
      </p>
    </li>
  );
}

/** How each ended, for a list. */
const ENDED: Readonly<Record<string, string>> = {
  approved: "Approved",
  consumed: "Approved and done",
  denied: "Refused",
  expired: "Expired",
  cancelled: "Withdrawn",
};

function endOf({ wentAhead, status, expiresAt }: InboxItem, now: Date): string {
  if (wentAhead) return "Allowed from now on";
  if (status === "approved" && new Date(expiresAt) <= now) return "Approved and not used";
  return ENDED[status] ?? "Over";
}

function Past({ item, now }: { item: InboxItem; now: Date }) {
  return (
    <li className="line">
      <div>
        <a href={item.href}>
          <ClientText text={item.sentence} max={300} />
        </a>
        <p className="aside">
          {endOf(item, now)}, <Moment at={new Date(item.decidedAt ?? item.expiresAt)} now={now} />
        </p>
      </div>
    </li>
  );
}
