import { ClientText } from "@/components/client-text";
import { Moment } from "@/components/moment";

/** What became of a question, and who said so. */
export type ActOutcomeView = {
  title: string;
  /** "search-bot wanted to send 1 payment of 250 EUR to ACME"; it still does while others have to answer. */
  asked: { agent: string; verb: string; waits: boolean };
  /** Who did it, in words, and when. */
  by?: string | undefined;
  at?: Date | undefined;
  reason?: string | undefined;
  /** What the agent was told. */
  told: string;
  now: Date;
  standing?: StandingOfferView | undefined;
};

/** What can be allowed from now on, or was. */
export type StandingOfferView =
  | {
      kind: "offer";
      id: string;
      csrf: string;
      maxUses: number;
      maxDays: number;
      problem?: string | undefined;
    }
  | { kind: "given"; maxUses: number; expiresAt: Date };

/** Says that a question is over: how, by whom, when, and what the agent knows of it. */
export function ActOutcome({ title, asked, by, at, reason, told, now, standing }: ActOutcomeView) {
  return (
    <>
      <h1>{title}</h1>
      <p>
        <ClientText text={asked.agent} /> {asked.waits ? "wants" : "wanted"} to{" "}
        <strong>
          <ClientText text={asked.verb} max={200} />
        </strong>
        .
      </p>
      {by && (
        <p>
          <bdi>{by}</bdi>
          {at && (
            <>
              , <Moment at={at} now={now} />
            </>
          )}
          .
        </p>
      )}
      {reason && (
        <p>
          Reason: <q>{<ClientText text={reason} max={500} />}</q>
        </p>
      )}
      <p>{told}</p>
      {standing && <Standing standing={standing} agent={asked.agent} now={now} />}
      <p className="stack">
        <a className="button" href="/inbox">
          See what else waits for you
        </a>
      </p>
    </>
  );
}

function Standing({ standing, agent, now }: { standing: StandingOfferView; agent: string; now: Date }) {
  if (standing.kind === "given")
    return (
      <p className="status" role="status">
        From now on you are not asked for this: {standing.maxUses} times at most. That ends{" "}
        <Moment at={standing.expiresAt} now={now} />. <a href="/me#standing">See or stop it at My agents</a>.
      </p>
    );
  const { id, csrf, maxUses, maxDays, problem } = standing;
  return (
    <section className="section">
      <h2>Allow the same from now on?</h2>
      <p>
        <ClientText text={agent} /> is then not made to wait for you when it asks for this, or for less. When
        it wants more, you are asked. Refusing it once ends this, and so do 14 days without use.
      </p>
      <form className="stack" action={`/approve/${encodeURIComponent(id)}/standing`} method="post">
        <input type="hidden" name="csrf" value={csrf} />
        {problem && (
          <p className="danger" role="alert" id="bounds-error">
            {problem}
          </p>
        )}
        <div className="field">
          <label htmlFor="uses">How many times, at most {maxUses}</label>
          <input id="uses" name="uses" type="number" min={1} max={maxUses} defaultValue={10} required />
        </div>
        <div className="field">
          <label htmlFor="days">For how many days, at most {maxDays}</label>
          <input id="days" name="days" type="number" min={1} max={maxDays} defaultValue={7} required />
        </div>
        <button className="button" type="submit">
          Allow this from now on
        </button>
      </form>
    </section>
  );
}
