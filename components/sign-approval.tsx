"use client";

import { type PublicKeyCredentialRequestOptionsJSON, startAuthentication } from "@simplewebauthn/browser";
import type { FormEvent, MouseEvent, ReactNode } from "react";
import { ProblemLine, post, useCeremony } from "@/components/passkey-ceremonies";

type SignProps = {
  /** The id of the approval. */
  id: string;
  /** The digest of what the page shows. */
  digest: string;
  /** The id of the form that a yes is in. */
  form: string;
  signInPath: string;
  children: ReactNode;
};

/** Has what the page shows signed with a passkey, and sends the yes with it. */
export function SignApproval({ id, digest, form, signInPath, children }: SignProps) {
  const { support, isBusy, problem, run } = useCeremony();

  function sign(event: MouseEvent<HTMLButtonElement> | FormEvent) {
    event.preventDefault();
    const typed = document.getElementById(form);
    if (!(typed instanceof HTMLFormElement) || !typed.reportValidity()) return;
    const number = new FormData(typed).get("number");
    run(async () => {
      const path = `/approvals/${encodeURIComponent(id)}`;
      const optionsJSON = await post<PublicKeyCredentialRequestOptionsJSON>(`${path}/options`, { digest });
      const credential = await startAuthentication({ optionsJSON });
      const answer = { decision: "approve", credential, ...(number !== null && { number: String(number) }) };
      await post(`${path}/decision`, answer);
      return `/approve/${encodeURIComponent(id)}`;
    });
  }

  return (
    <div className="signing">
      <button
        className="button act"
        type="submit"
        form={form}
        disabled={support === "missing"}
        aria-disabled={isBusy}
        onClick={sign}
      >
        {isBusy ? "Follow your browser" : children}
      </button>
      {support === "missing" && <p className="danger">This browser has no passkeys. Use another one.</p>}
      <ProblemLine problem={problem} signInPath={signInPath} />
    </div>
  );
}
