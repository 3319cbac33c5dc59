import { ActFacts } from "@/components/act-facts";
import { ActSignature } from "@/components/act-signature";
import { ClientText } from "@/components/client-text";
import { Icon } from "@/components/icon";
import { Moment } from "@/components/moment";
import type { Shown } from "@/lib/services/approval-shown";

export type ActApprovalView = {
  /** All that is said of the question: what a passkey signs is made of this. */
  shown: Shown;
  csrf: string;
  now: Date;
  /** Who answers. */
  email: string;
  /** What their yes needs before it counts. */
  presence: "ok" | "passkey" | "sign_in_again" | "confirm_first";
  /** The digest of what is shown, for the passkey. */
  digest: string;
  /** Where they sign in again, and come back from. */
  signInPath: string;
  /** Where their passkey says that it is them, and they come back from. */
  confirmPath: string;
  /** They answer a question of high risk without a passkey, by a sign-in just now. */
  lacksPasskey: boolean;
  /** They may stop the agent, too. */
  mayStop: boolean;
  /** How long an agent acts for who lets it: "15 minutes". */
  actsFor: string;
  /** What was wrong with the last answer. */
  problem?: string | undefined;
};

/** Asks a person whether an agent may do one thing: what, for whom, why, how risky, and what follows. */
export function ActApproval(view: ActApprovalView) {
  const { shown, now, problem } = view;
  return (
    <div className="full">
      <h1 className="act-title">
        <ClientText text={shown.requester.name} /> wants to{" "}
        <strong>
          <ClientText text={shown.verb} max={200} />
        </strong>
      </h1>
      {problem && (
        <p className="lead marked danger" id="act-error" role="alert">
          <Icon name="high" />
          {problem}
        </p>
      )}
      <ActFacts shown={shown} now={now} />
      {shown.messages.length > 0 && <Messages shown={shown} now={now} />}
      <Ask view={view} />
      <Consequences view={view} />
      <ActSignature view={view} />
    </div>
  );
}

function Messages({ shown: { messages }, now }: { shown: Shown; now: Date }) {
  return (
    <div className="facts">
      <div className="fact">
        <h2 className="side">Said so far</h2>
        <ol className="said">
          {messages.map(({ from, name, text, at }) => (
            <li key={`${at} ${from} ${text}`}>
              <p className="aside">
                <ClientText text={name} />
                {from === "requester" && " (not verified)"}, <Moment at={new Date(at)} now={now} />
              </p>
              <p>
                <q>
                  <ClientText text={text} max={2000} />
                </q>
              </p>
            </li>
          ))}
        </ol>
      </div>
    </div>
  );
}

/** A question to the agent, one at a time, for who cannot decide yet. */
function Ask({ view: { shown, csrf } }: { view: ActApprovalView }) {
  if (shown.messages.at(-1)?.from === "person")
    return (
      <p className="lead">
        Your question waits for its answer. <a href={pathOf(shown)}>Look again</a>
      </p>
    );
  return (
    <details className="more">
      <summary>Ask the agent something first</summary>
      <form action={`${pathOf(shown)}/decision`} method="post">
        <input type="hidden" name="csrf" value={csrf} />
        <div className="field">
          <label htmlFor="question">Your question, which the agent reads and may answer</label>
          <input id="question" name="question" required maxLength={500} autoComplete="off" />
        </div>
        <div className="answers">
          <button className="button" type="submit" name="decision" value="ask">
            Ask
          </button>
        </div>
      </form>
    </details>
  );
}

const pathOf = ({ id }: Pick<Shown, "id">): string => `/approve/${encodeURIComponent(id)}`;

/** What a yes hands out, of each kind, and for how long. */
function onYes({ shown: { kind }, actsFor }: Pick<ActApprovalView, "shown" | "actsFor">): string {
  switch (kind) {
    case "step_up":
      return "is handed one permission, for this only and once. It lasts 5 minutes at most.";
    case "issuance":
      return "goes on with the access it asked for, for this only and once. It lasts 5 minutes at most.";
    case "ciba":
      return `may act for you within this, as if you had signed in there, for ${actsFor} at most. After that it has to ask you again.`;
    default:
      return "may do this, and nothing else.";
  }
}

function Consequences({ view }: { view: ActApprovalView }) {
  const { quorum, approvedBy, requester, isBoundToKey } = view.shown;
  const isLastYes = approvedBy.length + 1 >= quorum;
  return (
    <dl className="facts">
      <div className="fact">
        <dt className="side">If you approve</dt>
        <dd>
          {!isLastYes && "Nothing yet: others have to approve, too. Then "}
          <ClientText text={requester.name} /> {onYes(view)}
          {isBoundToKey && " Only the key it holds now can use it."}
        </dd>
      </div>
      <div className="fact">
        <dt className="side">If you deny</dt>
        <dd>It gets nothing, and is told so, with your reason if you give one.</dd>
      </div>
      {quorum > 1 && (
        <div className="fact">
          <dt className="side">Needed</dt>
          <dd>
            <p>
              <strong>
                {quorum} people have to approve; {approvedBy.length} did so far.
              </strong>
            </p>
            {approvedBy.map((name) => (
              <p className="aside" key={name}>
                <bdi>{name}</bdi> said yes
              </p>
            ))}
            <p className="aside">One no is enough to refuse it.</p>
          </dd>
        </div>
      )}
    </dl>
  );
}
