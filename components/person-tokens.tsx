import { ClientText } from "@/components/client-text";
import { Moment } from "@/components/moment";

/** One that acts for the person for a short while. */
export type PersonTokenView = {
  id: string;
  agent: string;
  /** Where: "Bank". */
  place: string;
  /** What it may do, as sentences. */
  scopes: readonly string[];
  until: Date;
};

type PersonTokensProps = { all: readonly PersonTokenView[]; csrf: string; now: Date };

/** What acts for a person for a short while because they just said so, with a way to stop it at once. */
export function PersonTokens({ all, csrf, now }: PersonTokensProps) {
  return (
    <section className="section" id="now">
      <h2>Acting for you now</h2>
      <p>These end by themselves. What they passed on ends with them.</p>
      <ul>
        {all.map(({ id, agent, place, scopes, until }) => (
          <li className="line" key={id}>
            <div>
              <p>
                <strong>
                  <ClientText text={agent} />
                </strong>
                {scopes.length > 0 && (
                  <>
                    : <ClientText text={scopes.join(", ")} max={300} />
                  </>
                )}
              </p>
              <p className="aside">
                At <ClientText text={place} max={100} />, ends <Moment at={until} now={now} />
              </p>
            </div>
            <form action={`/me/tokens/${encodeURIComponent(id)}/stop`} method="post">
              <input type="hidden" name="csrf" value={csrf} />
              <button className="button small stop" type="submit" aria-label={`Stop ${agent}`}>
                Stop
              </button>
            </form>
          </li>
        ))}
      </ul>
    </section>
  );
}
