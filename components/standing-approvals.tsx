import { ClientText } from "@/components/client-text";
import { Moment } from "@/components/moment";

/** One thing that an agent may do without asking each time. */
export type StandingView = {
  id: string;
  agent: string;
  /** "send 1 payment of 250 EUR to ACME". */
  verb: string;
  /** Where: "Bank". */
  place: string;
  uses: number;
  maxUses: number;
  expiresAt: Date;
};

type StandingProps = { all: readonly StandingView[]; csrf: string; now: Date };

/** What a person allowed from now on, how much of it is used, and a way to be asked each time again. */
export function StandingApprovals({ all, csrf, now }: StandingProps) {
  return (
    <section className="section" id="standing">
      <h2>Allowed from now on</h2>
      <p>You are not asked for these each time. They end when you refuse the same once, too.</p>
      <ul>
        {all.map(({ id, agent, verb, place, uses, maxUses, expiresAt }) => (
          <li className="line" key={id}>
            <div>
              <p>
                <strong>
                  <ClientText text={agent} />
                </strong>{" "}
                may <ClientText text={verb} max={200} />
              </p>
              <p className="aside">
                At <ClientText text={place} max={100} />. Used {uses} of {maxUses}, ends{" "}
                <Moment at={expiresAt} now={now} />
              </p>
            </div>
            <form action={`/me/standing-approvals/${encodeURIComponent(id)}/stop`} method="post">
              <input type="hidden" name="csrf" value={csrf} />
              <button className="button small" type="submit">
                Ask me each time
              </button>
            </form>
          </li>
        ))}
      </ul>
    </section>
  );
}
