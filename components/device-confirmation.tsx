import { AnsweredAs, Answers, AppFact, PassingOnFact, ResourceFact } from "@/components/asked-facts";
import { ClientText } from "@/components/client-text";
import type { AskedDetail } from "@/components/details";
import type { Person } from "@/components/frame";
import { Icon } from "@/components/icon";
import { Moment } from "@/components/moment";
import { type AskedScope, ScopeChoices, TechnicalNames } from "@/components/scopes";
import type { Verification } from "@/components/verification";

export type DeviceConfirmationView = {
  /** The id of the approval; the form posts to `/approve/{id}/decision`. */
  id: string;
  csrf: string;
  userCode: string;
  app: string;
  verification: Verification;
  resource: { name: string; identifier: string };
  scopes: readonly AskedScope[];
  details: readonly AskedDetail[];
  from: {
    address: string;
    userAgent: string | undefined;
    at: Date;
    /** Where this browser is, if that is another place. */
    browserAddress: string | undefined;
  };
  /** How many times access may be passed on to other agents; leave out when it may not. */
  delegationHops?: number;
  /** "1 day", and how long at most if the person wants that; undefined: there is no choice. */
  lasts: string;
  canLast: string | undefined;
  /** How long a service that does not ask this server may still let a stopped app in: "1 hour". */
  letInFor: string;
  person: Person;
  now: Date;
  /** When this question lapses. */
  expiresAt: Date;
  /** What was wrong with the last answer. */
  error?: string | undefined;
};

/**
 * Asks the person who typed a code whether the device that shows it may act for them. Whoever was sent the code by a
 * stranger is to notice here (RFC 8628 §5.4).
 */
export function DeviceConfirmation(view: DeviceConfirmationView) {
  const { app, resource, now } = view;
  return (
    <form className="full" action={`/approve/${encodeURIComponent(view.id)}/decision`} method="post">
      <input type="hidden" name="csrf" value={view.csrf} />
      <h1>
        Connect <ClientText text={app} /> to <ClientText text={resource.name} /> for you?
      </h1>
      {view.error && (
        <p className="lead marked danger" id="device-error" role="alert">
          <Icon name="high" />
          {view.error}
        </p>
      )}
      <p className="lead caution">
        Only continue if you started this yourself, on a device or terminal in front of you. If somebody sent
        you the code or told you to enter it, press Deny: they would get your access.
      </p>
      <dl className="facts">
        <div className="fact">
          <dt className="side">Code</dt>
          <dd>
            <p className="user-code">{view.userCode}</p>
            <p>Does your device show exactly this code? If not, deny.</p>
          </dd>
        </div>
        <AskedFrom from={view.from} now={now} />
        <AppFact app={app} verification={view.verification} now={now} />
        <ResourceFact resource={resource} />
      </dl>

      <p className="asked">
        {view.error
          ? "It asks to do this. Tick what you want to give."
          : "It asks to do this. Untick what you would rather not give."}
      </p>
      <div className="facts">
        <ScopeChoices scopes={view.scopes} details={view.details} />
      </div>
      <TechnicalNames scopes={view.scopes} details={view.details} />

      <dl className="facts">
        <Lasts view={view} />
        <PassingOnFact hops={view.delegationHops} />
        <div className="fact">
          <dt className="side">To stop it</dt>
          <dd>
            Any time at <a href="/me">My agents</a>. It gets nothing new from then on; a service that does not
            ask us may let it in for up to {view.letInFor} more.
          </dd>
        </div>
      </dl>
      <Signature view={view} />
    </form>
  );
}

/** Where the code was asked for: what a stranger cannot hide. */
function AskedFrom({ from, now }: Pick<DeviceConfirmationView, "from" | "now">) {
  return (
    <div className="fact">
      <dt className="side">Asked from</dt>
      <dd>
        <p>
          <strong>{from.address}</strong>, <Moment at={from.at} now={now} />
        </p>
        {from.userAgent && (
          <p className="aside">
            By a program that calls itself <ClientText text={from.userAgent} max={120} />
          </p>
        )}
        {from.browserAddress && (
          <div className="marked danger">
            <Icon name="high" />
            <span>
              That is another network than yours: this browser is at <strong>{from.browserAddress}</strong>.
              Is the device really in front of you?
            </span>
          </div>
        )}
      </dd>
    </div>
  );
}

function Lasts({ view }: { view: DeviceConfirmationView }) {
  return (
    <div className="fact">
      <dt className="side">Lasts</dt>
      <dd>
        <p>{view.lasts}. After that, the device has to ask you again.</p>
        {view.canLast && (
          <label className="scope">
            {/* No `box`: those are what is allowed, and with none of them ticked there is nothing to allow. */}
            <input className="choice" type="checkbox" name="keep" value="long" />
            <span>Keep it connected for up to {view.canLast}</span>
          </label>
        )}
      </dd>
    </div>
  );
}

function Signature({ view }: { view: DeviceConfirmationView }) {
  return (
    <div className="sign">
      <AnsweredAs email={view.person.email} />
      {!view.error && view.scopes.length + view.details.length > 0 && (
        <p className="none-ticked marked danger">
          <Icon name="high" />
          Nothing is ticked. Tick at least one line, or deny.
        </p>
      )}
      <Answers app={view.app} no="Deny" problem={view.error ? "device-error" : undefined} />
      <p className="aside">
        Deny gives nothing, and the device is told so. This question lapses{" "}
        <Moment at={view.expiresAt} now={view.now} />.
      </p>
    </div>
  );
}
