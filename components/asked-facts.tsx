import { ClientText } from "@/components/client-text";
import { type Verification, VerificationLine } from "@/components/verification";

/** Who asks, and who vouches for them. */
export function AppFact({ app, verification, now }: { app: string; verification: Verification; now: Date }) {
  return (
    <div className="fact">
      <dt className="side">App</dt>
      <dd>
        <p>
          <strong>
            <ClientText text={app} />
          </strong>
        </p>
        <VerificationLine verification={verification} now={now} />
      </dd>
    </div>
  );
}

/** Where it is to be used. */
export function ResourceFact({ resource }: { resource: { name: string; identifier: string } }) {
  return (
    <div className="fact">
      <dt className="side">Access to</dt>
      <dd>
        <strong>
          <ClientText text={resource.name} />
        </strong>{" "}
        <code className="aside">{resource.identifier}</code>
      </dd>
    </div>
  );
}

/** How far it may be passed on; undefined: not at all. */
export function PassingOnFact({ hops }: { hops: number | undefined }) {
  if (hops === undefined) return null;
  return (
    <div className="fact">
      <dt className="side">Passing on</dt>
      <dd>
        It may pass this on, or less, to other agents: at most {hops} {hops === 1 ? "step" : "steps"} away.
      </dd>
    </div>
  );
}

/** Whose answer it is. */
export function AnsweredAs({ email }: { email: string }) {
  return (
    <p>
      Your answer, as{" "}
      <strong>
        <bdi>{email}</bdi>
      </strong>
    </p>
  );
}

type AnswersProps = {
  app: string;
  /** What refusing is called here. */
  no: string;
  /** The id of what was wrong with the last answer, if anything was. */
  problem: string | undefined;
};

/** The two answers to an app: no first, and as large. */
export function Answers({ app, no, problem }: AnswersProps) {
  return (
    <div className="answers">
      <button className="button" type="submit" name="decision" value="deny">
        {no}
      </button>
      <button className="button act" type="submit" name="decision" value="allow" aria-describedby={problem}>
        <span>
          Allow <ClientText text={app} max={32} />
        </span>
      </button>
    </div>
  );
}
