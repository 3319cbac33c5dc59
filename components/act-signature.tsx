import type { ActApprovalView } from "@/components/act-approval";
import { AnsweredAs } from "@/components/asked-facts";
import { shorten } from "@/components/client-text";
import { Moment } from "@/components/moment";
import { SignApproval } from "@/components/sign-approval";

/** The forms of the page: what is typed belongs to one answer, so that Enter gives no other. */
const DENY = "deny-form";
const APPROVE = "approve-form";

/** The place to sign: no first, and as large; yes names what is done. */
export function ActSignature({ view }: { view: ActApprovalView }) {
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
      <AnsweredAs email={email} />
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
  const { shown, presence, digest, signInPath, confirmPath } = view;
  const all = shown.details.length + shown.permissions.length;
  // Half a sentence would say less than how many they are: the page lists them.
  const label =
    all > 1 && shown.verb.length > LONGEST_LABEL ? (
      <span>Approve all {all}</span>
    ) : (
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
    case "confirm_first":
      return (
        <a className="button act" href={confirmPath}>
          Confirm with a passkey first
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
    case "confirm_first":
      return (
        <p className="aside">
          Approving this takes your passkey: whoever asks wants it. You come back here from it.
        </p>
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
