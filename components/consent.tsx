import { AnsweredAs, Answers, AppFact, PassingOnFact, ResourceFact } from "@/components/asked-facts";
import { ClientText } from "@/components/client-text";
import type { AskedDetail } from "@/components/details";
import type { Person } from "@/components/frame";
import { Icon } from "@/components/icon";
import { Moment } from "@/components/moment";
import { type AskedScope, ScopeChoices, TechnicalNames } from "@/components/scopes";
import type { Verification } from "@/components/verification";

/** Where the browser goes with the answer. */
export type Redirect =
  | { kind: "https"; host: string }
  | { kind: "loopback"; host: string }
  | { kind: "private-use"; scheme: string };

/** How long what is allowed lasts. */
export type Duration =
  | { kind: "once"; endsAt: Date }
  /** Ends after `idleDays` without use, and at `endsAt` in any case. */
  | { kind: "standing"; idleDays: number; endsAt: Date };

export type ConsentView = {
  /** The id of the approval; the form posts to `/approve/{id}/decision`. */
  id: string;
  csrf: string;
  app: string;
  verification: Verification;
  redirect: Redirect;
  resource: { name: string; identifier: string };
  /** The app only wants to know who the person is. */
  isSignIn: boolean;
  /** Other servers that the app may show this sign-in to; the operator said so. */
  signsInAt: readonly string[];
  scopes: readonly AskedScope[];
  details: readonly AskedDetail[];
  /** How many times access may be passed on to other agents; leave out when it may not. */
  delegationHops?: number;
  duration: Duration;
  /** How long a service that does not ask this server may still let a stopped app in: "1 hour". */
  letInFor: string;
  /** Whether the answer is remembered until the app wants more, or asked for each time. */
  asksAgain: "for-more" | "always";
  person: Person;
  now: Date;
  /** When this question lapses. */
  expiresAt: Date;
  /** What was wrong with the last answer. */
  error?: string | undefined;
};

/** Asks a person whether an app may act for them: who, where to, what, how long, and how to end it. */
export function Consent(view: ConsentView) {
  const { app, resource, now } = view;
  return (
    <form className="full" action={`/approve/${encodeURIComponent(view.id)}/decision`} method="post">
      <input type="hidden" name="csrf" value={view.csrf} />
      <h1>
        {view.isSignIn ? (
          <>
            Allow <ClientText text={app} /> to sign you in?
          </>
        ) : (
          <>
            Allow <ClientText text={app} /> to use <ClientText text={resource.name} /> for you?
          </>
        )}
      </h1>
      {view.error && (
        <p className="lead marked danger" id="consent-error" role="alert">
          <Icon name="high" />
          {view.error}
        </p>
      )}
      <dl className="facts">
        <AppFact app={app} verification={view.verification} now={now} />
        {view.isSignIn ? <WhoYouAre person={view.person} /> : <ResourceFact resource={resource} />}
        <div className="fact">
          <dt className="side">Sends you to</dt>
          <dd>
            <RedirectLines redirect={view.redirect} />
          </dd>
        </div>
      </dl>

      <p className="asked">{askedText(view)}</p>
      <div className="facts">
        <ScopeChoices scopes={view.scopes} details={view.details} />
      </div>
      <TechnicalNames scopes={view.scopes} details={view.details} />

      <dl className="facts">
        <div className="fact">
          <dt className="side">Lasts</dt>
          <dd>
            <DurationLine duration={view.duration} now={now} />
            <p className="aside">
              {view.asksAgain === "always"
                ? "You are asked each time this app connects anew."
                : "Your answer is remembered. You are asked again only when the app wants more."}
            </p>
          </dd>
        </div>
        <PassingOnFact hops={view.delegationHops} />
        {view.signsInAt.length > 0 && (
          <div className="fact">
            <dt className="side">Shown to</dt>
            <dd>
              It may also show who you are to{" "}
              {view.signsInAt.map((host, index) => (
                <span key={host}>
                  {index > 0 && ", "}
                  <strong>
                    <bdi>{host}</bdi>
                  </strong>
                </span>
              ))}
              , as your administrator set up.
            </dd>
          </div>
        )}
        <div className="fact">
          <dt className="side">To stop it</dt>
          <dd>
            Any time at <a href="/me">My agents</a>.{" "}
            {view.isSignIn
              ? "It learns nothing new from then on. What it knows by then, it may keep."
              : `It gets nothing new from then on; a service that does not ask us may let it in for up to ${view.letInFor} more.`}
          </dd>
        </div>
      </dl>

      <Signature view={view} />
    </form>
  );
}

const isAllAllowed = ({ scopes, details }: ConsentView): boolean =>
  details.length === 0 && scopes.length > 0 && scopes.every(({ status }) => status === "already-allowed");

/** What was asked for, and what to do about it. */
function askedText(view: ConsentView): string {
  const asks = view.isSignIn ? "It asks to know this" : "It asks to do this";
  if (isAllAllowed(view)) return `${asks}, and you already allow all of it.`;
  if (view.error) return `${asks}. Tick what you want to give.`;
  return view.scopes.some(({ status }) => status === "asked")
    ? `${asks}. Untick what you would rather not give.`
    : `${asks}.`;
}

function WhoYouAre({ person: { name, email } }: { person: Person }) {
  return (
    <div className="fact">
      <dt className="side">You are</dt>
      <dd>
        <strong>
          <bdi>{name}</bdi>
        </strong>
        {email !== name && (
          <>
            {" "}
            <bdi className="aside">{email}</bdi>
          </>
        )}
      </dd>
    </div>
  );
}

function RedirectLines({ redirect }: { redirect: Redirect }) {
  switch (redirect.kind) {
    case "https":
      return (
        <p>
          <strong>{redirect.host}</strong>
        </p>
      );
    case "loopback":
      return (
        <>
          <p>
            <strong>{redirect.host}</strong> on this computer
          </p>
          <p className="caution">Only continue if you started this from an app on this computer.</p>
        </>
      );
    case "private-use":
      return (
        <>
          <p>
            An app on this device, by a <strong>{redirect.scheme}:</strong> link
          </p>
          <p className="caution">
            Any app can claim such links. Only continue if you started this from an app on this device.
          </p>
        </>
      );
  }
}

function DurationLine({ duration, now }: { duration: Duration; now: Date }) {
  if (duration.kind === "once") {
    return (
      <p>
        Ends <Moment at={duration.endsAt} now={now} />.
      </p>
    );
  }
  return (
    <p>
      Until you stop it or it is unused for {duration.idleDays} days. Ends at the latest{" "}
      <Moment at={duration.endsAt} now={now} />.
    </p>
  );
}

function Signature({ view }: { view: ConsentView }) {
  return (
    <div className="sign">
      <AnsweredAs email={view.person.email} />
      {!view.error && (
        <p className="none-ticked marked danger">
          <Icon name="high" />
          Nothing is ticked. Tick at least one line, or cancel.
        </p>
      )}
      <Answers app={view.app} no="Cancel" problem={view.error ? "consent-error" : undefined} />
      <p className="aside">
        {view.scopes.some(({ status }) => status === "already-allowed")
          ? "Cancel changes nothing: what you allowed before stays. The app is told that you cancelled."
          : "Cancel gives nothing, and tells the app so."}{" "}
        This question lapses <Moment at={view.expiresAt} now={view.now} />.
      </p>
    </div>
  );
}
