import { ActFacts } from "@/components/act-facts";
import { ClientText, shorten } from "@/components/client-text";
import { Icon } from "@/components/icon";
import { Moment } from "@/components/moment";
import { SignApproval } from "@/components/sign-approval";
import type { Shown } from "@/lib/services/approval-shown";

export type ActApprovalView = {
  /** All that is said of the question: what a passkey signs is made of this. */
  shown: Shown;
  csrf: string;
  now: Date;
  /** Who answers. */
  email: string;
  /** What their yes needs before it counts. */
  presence: "ok" | "passkey" | "sign_in_again";
  /** The digest of what is shown, for the passkey. */
  digest: string;
  /** Where they sign in again, and come back from. */
  signInPath: string;
  /** They answer a question of high risk without a passkey, by a sign-in just now. */
  lacksPasskey: boolean;
  /** They may stop the agent, too. */
  mayStop: boolean;
  /** What was wrong with the last answer. */
  problem?: string | undefined;
};

/** The forms of the page: what is typed belongs to one answer, so that Enter gives no other. */
const DENY = "deny-form";
const APPROVE = "approve-form";

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
      <Consequences shown={shown} />
      <Signature view={view} />
    </div>
  );
}

function Messages({ shown: { messages }, now }: { shown: Shown; now: Date }) {
  return (
    <div className="facts">
      <div className="fact">
        <h2 className="side">Said so far</h2>
        <ol>
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

/** What a yes hands out, of each kind. */
const ON_YES: Readonly<Record<string, string>> = {
  step_up: "is handed one permission, for this only and once. It lasts 5 minutes at most.",
  issuance: "goes on with the access it asked for, for this only and once.",
  ciba: "may act for you within this, as if you had signed in there. You can stop it at My agents.",
};

function Consequences({ shown }: { shown: Shown }) {
  const { quorum, approvedBy, requester, kind, isBoundToKey } = shown;
  return (
    <dl className="facts">
      <div className="fact">
        <dt className="side">If you approve</dt>
        <dd>
          <ClientText text={requester.name} /> {ON_YES[kind] ?? "may do this, and nothing else."}
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

function Signature({ view }: { view: ActApprovalView }) {
  const { shown, csrf, email, mayStop, now } = view;
  const action = `/approve/${encodeURIComponent(shown.id)}/decision`;
  return (
    <div className="sign">
      <form id={DENY} action={action} method="post">
        <input type="hidden" name="csrf" value={csrf} />
      </form>
      <form id={APPROVE} action={action} method="post">
        <input type="hidden" name="csrf" value={csrf} />
        <input type="hidden" name="decision" value="approve" />
      </form>
      <Comparison view={view} />
      <p>
        Your answer, as{" "}
        <strong>
          <bdi>{email}</bdi>
        </strong>
      </p>
      <div className="answers">
        <button className="button" type="submit" form={DENY} name="decision" value="deny">
          Deny
        </button>
        <ApproveButton view={view} />
      </div>
      <PresenceLine view={view} />
      <details className="more">
        <summary>Say why not{mayStop && ", or stop this agent"}</summary>
        <div className="field">
          <label htmlFor="reason">Your reason, which the agent reads</label>
          <input
            id="reason"
            name="reason"
            form={DENY}
            maxLength={500}
            autoComplete="off"
            placeholder="Not this account"
          />
        </div>
        <div className="answers">
          <button className="button" type="submit" form={DENY} name="decision" value="deny">
            Deny with this reason
          </button>
          {mayStop && (
            <button className="button stop" type="submit" form={DENY} name="decision" value="stop">
              Deny and stop this agent
            </button>
          )}
        </div>
      </details>
      <p className="aside">
        This question lapses <Moment at={new Date(shown.expiresAt)} now={now} />.
      </p>
    </div>
  );
}

/** Two digits on two screens: whoever answers sees that it is their own agent that asks. */
function Comparison({ view: { shown, problem } }: { view: ActApprovalView }) {
  if (shown.bindingCode !== null)
    return (
      <p className="compare">
        <strong>{shown.bindingCode}</strong>
        <span>Your agent shows this number, too. If it shows another one, or none that you know, deny.</span>
      </p>
    );
  return (
    <div className="field compare-field">
      <label htmlFor="number">The two digits that the agent shows, needed to approve</label>
      <input
        id="number"
        name="number"
        form={APPROVE}
        required
        inputMode="numeric"
        pattern="[0-9]{2}"
        maxLength={2}
        autoComplete="off"
        aria-invalid={problem ? true : undefined}
        aria-describedby={problem ? "act-error" : undefined}
      />
    </div>
  );
}

/** A title is read above; a button says enough of it to be told from another one. */
const LONGEST_LABEL = 48;

function ApproveButton({ view }: { view: ActApprovalView }) {
  const { shown, presence, digest, signInPath } = view;
  const label = (
    <span>
      Approve: <bdi>{shorten(shown.verb, LONGEST_LABEL)}</bdi>
    </span>
  );
  switch (presence) {
    case "ok":
      return (
        <button className="button act" type="submit" form={APPROVE}>
          {label}
        </button>
      );
    case "sign_in_again":
      return (
        <a className="button act" href={signInPath}>
          Sign in again to answer
        </a>
      );
    case "passkey":
      return (
        <SignApproval id={shown.id} digest={digest} form={APPROVE} signInPath={signInPath}>
          {label}
        </SignApproval>
      );
  }
}

function PresenceLine({ view: { presence, lacksPasskey } }: { view: ActApprovalView }) {
  switch (presence) {
    case "passkey":
      return (
        <>
          <p className="aside">
            Approving asks for your passkey, which signs what this page says and nothing else.
          </p>
          <noscript>
            <p className="caution lead">
              Signing with a passkey needs JavaScript, which is off in this browser. You can deny without it.
            </p>
          </noscript>
        </>
      );
    case "sign_in_again":
      return (
        <p className="aside">Your sign-in is too long ago to approve this. You come back here from it.</p>
      );
    case "ok":
      return lacksPasskey ? (
        <p className="aside">
          The risk is high and you have no passkey, so your sign-in just now has to do.{" "}
          <a href="/me#passkeys">Add a passkey</a> to confirm such things with it.
        </p>
      ) : null;
  }
}
