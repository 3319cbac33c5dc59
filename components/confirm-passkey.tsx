"use client";

import { type PublicKeyCredentialRequestOptionsJSON, startAuthentication } from "@simplewebauthn/browser";
import { ClientText } from "@/components/client-text";
import { ProblemLine, post, useCeremony } from "@/components/passkey-ceremonies";

type ConfirmProps = {
  /** Who asks for it; undefined: it is not known here. */
  app: string | undefined;
  sentence: string;
  digest: string;
  continueTo: string;
  signInPath: string;
};

/** Has a passkey sign that it is the person, and goes on. */
export function ConfirmPasskey({ app, sentence, digest, continueTo, signInPath }: ConfirmProps) {
  const { support, isBusy, problem, run } = useCeremony();

  const confirm = () =>
    run(async () => {
      const optionsJSON = await post<PublicKeyCredentialRequestOptionsJSON>("/confirm/options", { digest });
      await post("/confirm/passkey", { credential: await startAuthentication({ optionsJSON }) });
      return continueTo;
    });

  return (
    <>
      <h1>Confirm that it is you</h1>
      <p>
        {app === undefined ? "What you are on the way to" : <ClientText text={app} />} asks for more than your
        sign-in. Your passkey signs one sentence, and nothing is given to anybody yet:
      </p>
      <blockquote className="lead caution">{sentence}</blockquote>
      <div className="sign">
        <div className="answers">
          <button
            className="button act"
            type="button"
            disabled={support !== "there"}
            aria-disabled={isBusy}
            onClick={confirm}
          >
            {isBusy ? "Follow your browser" : "Confirm with a passkey"}
          </button>
        </div>
        <p className="aside">
          You did not expect this? <a href="/me">Leave for My agents</a>: nothing happens then.
        </p>
        {support === "missing" && <p className="danger">This browser has no passkeys. Use another one.</p>}
        <ProblemLine problem={problem} signInPath={signInPath} />
        <noscript>
          <p className="caution lead">A passkey needs JavaScript, which is off in this browser.</p>
        </noscript>
      </div>
    </>
  );
}
