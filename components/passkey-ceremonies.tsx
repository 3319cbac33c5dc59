"use client";

import {
  browserSupportsWebAuthn,
  type PublicKeyCredentialCreationOptionsJSON,
  type PublicKeyCredentialRequestOptionsJSON,
  startAuthentication,
  startRegistration,
} from "@simplewebauthn/browser";
import { type FormEvent, type ReactNode, useId, useState, useSyncExternalStore } from "react";

type AddProps = { suggestedName: string; signInPath: string };

/** Makes a passkey in this browser and adds it to the person's. */
export function AddPasskey({ suggestedName, signInPath }: AddProps) {
  const nameId = useId();
  const { support, isBusy, problem, run } = useCeremony();

  function add(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const name = String(new FormData(event.currentTarget).get("name"));
    run(async () => {
      const optionsJSON = await post<PublicKeyCredentialCreationOptionsJSON>("/me/passkeys/options", {});
      const credential = await startRegistration({ optionsJSON });
      await post("/me/passkeys", { name, credential });
      return "/me?done=passkey-added";
    });
  }

  return (
    <form className="stack" onSubmit={add}>
      <div className="field">
        <label htmlFor={nameId}>Name of a new passkey</label>
        <input
          id={nameId}
          name="name"
          required
          maxLength={60}
          autoComplete="off"
          defaultValue={suggestedName}
        />
      </div>
      <button className="button" type="submit" disabled={support !== "there"} aria-disabled={isBusy}>
        {isBusy ? "Follow your browser" : "Add a passkey"}
      </button>
      {support === "missing" && <p className="danger">This browser has no passkeys. Use another one.</p>}
      <ProblemLine problem={problem} signInPath={signInPath} />
    </form>
  );
}

type TryProps = {
  id: string;
  digest: string;
  label: string;
  signInPath: string;
  /** What else can be done with it. */
  children: ReactNode;
};

/** Signs a sentence with a passkey and has the server verify it, as an answer of high risk is. */
export function TryPasskey({ id, digest, label, signInPath, children }: TryProps) {
  const { support, isBusy, problem, run } = useCeremony();

  const tryIt = () =>
    run(async () => {
      const path = "/me/passkeys/check";
      const optionsJSON = await post<PublicKeyCredentialRequestOptionsJSON>(`${path}/options`, {
        id,
        digest,
      });
      await post(path, { credential: await startAuthentication({ optionsJSON }) });
      return "/me?done=passkey-works";
    });

  return (
    <>
      <div className="actions">
        <button
          className="button small"
          type="button"
          disabled={support !== "there"}
          aria-disabled={isBusy}
          aria-label={`Try it: ${label}`}
          onClick={tryIt}
        >
          Try it
        </button>
        {children}
      </div>
      <ProblemLine problem={problem} signInPath={signInPath} />
    </>
  );
}

/** What went wrong, in words, and whether signing in again helps. */
type Problem = { words: string; signInAgain: boolean };

/** Runs one ceremony at a time; where it leads is a page that says what was done. */
export function useCeremony() {
  const support = useSyncExternalStore(never, supportHere, () => "unknown" as const);
  const [isBusy, setBusy] = useState(false);
  const [problem, setProblem] = useState<Problem>();

  /** A button that is disabled for good loses the focus, so a busy one only takes no more presses. */
  async function run(ceremony: () => Promise<string>) {
    if (isBusy) return;
    setBusy(true);
    setProblem(undefined);
    try {
      window.location.assign(await ceremony());
    } catch (error) {
      setProblem(problemOf(error));
      setBusy(false);
    }
  }
  return { support, isBusy, problem, run };
}

const never = () => () => {};
/** Without JavaScript nobody gets here, and the buttons stay as the server wrote them. */
const supportHere = () => (browserSupportsWebAuthn() ? "there" : "missing");

/** A refusal of the server. */
class Refused extends Error {
  constructor(
    message: string,
    readonly status: number,
  ) {
    super(message);
  }
}

export async function post<Answer>(path: string, body: unknown): Promise<Answer> {
  const response = await fetch(path, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  const answer = await response.json();
  if (!response.ok) throw new Refused(answer.detail, response.status);
  return answer;
}

/** By the names that WebAuthn Level 3 §5.1.3 and §5.1.4 have for what goes wrong, and fetch for what does before. */
const WORDS: Readonly<Record<string, string>> = {
  NotAllowedError: "Nothing was done: you cancelled, or it took too long. Try again.",
  AbortError: "Nothing was done: you cancelled, or it took too long. Try again.",
  InvalidStateError: "This device has a passkey for you here already.",
  ConstraintError: "This device cannot verify you. Use another device or key.",
  NotSupportedError: "This device has no passkeys that this server takes. Use another device or key.",
  SecurityError: "Passkeys work at this server's own address only. Open this page there.",
  TypeError: "The server could not be reached. Try again.",
};

function problemOf(error: unknown): Problem {
  if (error instanceof Refused)
    return { words: error.message, signInAgain: error.status === 401 || error.status === 403 };
  const words = error instanceof Error ? WORDS[error.name] : undefined;
  return {
    words: words ?? "That did not work. Try again, or use another device or key.",
    signInAgain: false,
  };
}

export function ProblemLine({ problem, signInPath }: { problem: Problem | undefined; signInPath: string }) {
  if (!problem) return null;
  return (
    <p className="danger" role="alert">
      {problem.words} {problem.signInAgain && <a href={signInPath}>Go to the sign-in</a>}
    </p>
  );
}
