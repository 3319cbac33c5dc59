import { ClientText } from "@/components/client-text";
import { type Detail, DetailMembers, Sentence } from "@/components/details";
import { distance, Moment } from "@/components/moment";
import { NotifyBrowser } from "@/components/notify-browser";
import { Passkeys, type PasskeysView } from "@/components/passkeys";
import { PersonTokens, type PersonTokenView } from "@/components/person-tokens";
import { type Scope, ScopeChoices, TechnicalNames } from "@/components/scopes";
import { StandingApprovals, type StandingView } from "@/components/standing-approvals";
import { type Verification, VerificationLine } from "@/components/verification";

/** What one app may do for the person until they stop it. */
export type GrantView = {
  id: string;
  app: string;
  verification: Verification;
  resource: { name: string; identifier: string };
  scopes: readonly Scope[];
  /** What it was allowed in detail and still holds. */
  details: readonly Detail[];
  since: Date;
  lastUsedAt?: Date | undefined;
  /** Agents that it handed work on to, and that act for the person through it now. */
  delegates: readonly DelegateView[];
};

export type DelegateView = {
  key: string;
  agent: string;
  place: string;
  scopes: readonly string[];
  details: readonly Detail[];
  until: Date;
};

export type SessionView = {
  id: string;
  /** The browser as it calls itself: "Firefox on Linux". */
  label: string;
  signedInAt: Date;
  current: boolean;
};

/** What stood once and was ended. */
export type StoppedView = { id: string; app: string; resource: string; stoppedAt: Date };

export type MyAgentsView = {
  csrf: string;
  now: Date;
  /** Where a first app can be connected to. */
  mcpUrl: string;
  grants: readonly GrantView[];
  sessions: readonly SessionView[];
  stopped: readonly StoppedView[];
  /** What agents may do without asking each time. */
  actingNow: readonly PersonTokenView[];
  standing: readonly StandingView[];
  passkeys: PasskeysView;
  /** Whether this browser tells the person when they are asked, and what it needs to. */
  notify: { applicationServerKey: string; subscribed: boolean };
  /** How long a service that does not ask this server may still let a stopped app in: "1 hour". */
  letInFor: string;
  /** What the last action did. */
  done?: string | undefined;
};

/** Everything that acts for a person, with a way to give less and a way to stop it. */
export function MyAgents(view: MyAgentsView) {
  return (
    <>
      <h1>My agents</h1>
      {view.done && (
        <p className="status" role="status">
          {view.done}
        </p>
      )}
      {view.grants.length === 0 ? (
        <NoApp mcpUrl={view.mcpUrl} first={view.stopped.length === 0} />
      ) : (
        <p>Each app below acts in your name until you stop it.</p>
      )}
      <p>
        <a href="/inbox">See what waits for your answer</a>
      </p>
      {view.grants.map((grant) => (
        <Grant key={grant.id} grant={grant} view={view} />
      ))}
      {view.actingNow.length > 0 && <PersonTokens csrf={view.csrf} now={view.now} all={view.actingNow} />}
      {view.standing.length > 0 && <StandingApprovals csrf={view.csrf} now={view.now} all={view.standing} />}
      <Passkeys view={view.passkeys} />
      <NotifyBrowser {...view.notify} />
      <Sessions view={view} />
      {view.stopped.length > 0 && <Stopped view={view} />}
    </>
  );
}

function NoApp({ mcpUrl, first }: { mcpUrl: string; first: boolean }) {
  return (
    <>
      <p>
        {first
          ? "No app acts for you yet. To connect a first one,"
          : "No app acts for you now. To connect one,"}{" "}
        give it this address as an MCP server:
      </p>
      <code className="copy lead">{mcpUrl}</code>
      <p className="lead">It will send you here to ask. Nothing happens before you answer.</p>
    </>
  );
}

function Grant({ grant, view }: { grant: GrantView; view: MyAgentsView }) {
  const action = `/me/grants/${encodeURIComponent(grant.id)}`;
  const { now, csrf, letInFor } = view;
  return (
    <article className="entry full">
      <h2>
        <ClientText text={grant.app} />
      </h2>
      <VerificationLine verification={grant.verification} now={now} />
      <dl className="facts">
        <div className="fact">
          <dt className="side">Access to</dt>
          <dd>
            <p>
              <ClientText text={grant.resource.name} />
            </p>
            <p className="aside">
              <code>{grant.resource.identifier}</code>
            </p>
          </dd>
        </div>
        <div className="fact">
          <dt className="side">May</dt>
          <dd>
            <ul className="words">
              {grant.scopes.map(({ name, description, risk }) => (
                <li key={name}>
                  {description}
                  {risk === "high" && <span className="danger"> (high risk)</span>}
                </li>
              ))}
              {grant.details.map(({ key, sentence, fields, risk }) => (
                <li key={key}>
                  <Sentence parts={sentence} />
                  {risk === "high" && <span className="danger"> (high risk)</span>}
                  <DetailMembers fields={fields} />
                </li>
              ))}
              {grant.scopes.length + grant.details.length === 0 && <li>Nothing now</li>}
            </ul>
          </dd>
        </div>
        <div className="fact">
          <dt className="side">Since</dt>
          <dd>
            <Moment at={grant.since} now={now} />
          </dd>
        </div>
        <div className="fact">
          <dt className="side">Last used</dt>
          <dd>{grant.lastUsedAt ? <Moment at={grant.lastUsedAt} now={now} /> : "Never"}</dd>
        </div>
        {grant.delegates.length > 0 && <Delegates delegates={grant.delegates} now={now} />}
      </dl>
      {grant.scopes.length > 1 && (
        <Narrow action={`${action}/narrow`} csrf={csrf} grant={grant} letInFor={letInFor} />
      )}
      <form action={`${action}/stop`} method="post">
        <input type="hidden" name="csrf" value={csrf} />
        <button className="button stop" type="submit">
          <span>
            Stop <ClientText text={grant.app} max={32} />
          </span>
        </button>
        <p className="aside">
          It gets nothing new from then on; a service that does not ask us may let it in for up to {letInFor}{" "}
          more.
        </p>
      </form>
    </article>
  );
}

function Delegates({ delegates, now }: { delegates: readonly DelegateView[]; now: Date }) {
  return (
    <div className="fact">
      <dt className="side">Passed on to</dt>
      <dd>
        <ul className="words">
          {delegates.map(({ key, agent, place, scopes, details, until }) => (
            <li key={key}>
              <strong>
                <ClientText text={agent} />
              </strong>{" "}
              with <ClientText text={place} />
              {details.map(({ key, sentence, fields }) => (
                <div key={key}>
                  <Sentence parts={sentence} />
                  <DetailMembers fields={fields} />
                </div>
              ))}
              <p className="aside">
                {scopes.length > 0 && `${scopes.join(", ")}. `}
                {scopes.length + details.length === 0 && "No permission of its own. "}Ends{" "}
                <time dateTime={until.toISOString()}>{distance(until, now)}</time>.
              </p>
            </li>
          ))}
        </ul>
        <p className="aside">They end with the app: stopping it stops them too.</p>
      </dd>
    </div>
  );
}

type NarrowProps = { action: string; csrf: string; grant: GrantView; letInFor: string };

function Narrow({ action, csrf, grant, letInFor }: NarrowProps) {
  return (
    <details className="more">
      <summary>Give it less</summary>
      <form action={action} method="post">
        <input type="hidden" name="csrf" value={csrf} />
        <ScopeChoices scopes={grant.scopes.map((scope) => ({ ...scope, status: "asked", ticked: true }))} />
        <p className="none-ticked danger">Nothing is ticked. Tick at least one line, or stop the app.</p>
        <button className="button" type="submit">
          Keep only what is ticked
        </button>
        <p className="aside">
          It gets nothing else from then on; a service that does not ask us may allow what you untick for up
          to {letInFor} more.
        </p>
      </form>
      <TechnicalNames scopes={grant.scopes} />
    </details>
  );
}

function Sessions({ view }: { view: MyAgentsView }) {
  return (
    <section className="section">
      <h2>Where you are signed in</h2>
      <ul>
        {view.sessions.map(({ id, label, signedInAt, current }) => (
          <li className="line" key={id}>
            <div>
              <p>
                <ClientText text={label} />
                {current && <strong> (this browser)</strong>}
              </p>
              <p className="aside">
                Signed in <Moment at={signedInAt} now={view.now} />
              </p>
            </div>
            <form action={current ? "/logout" : `/me/sessions/${encodeURIComponent(id)}/stop`} method="post">
              <input type="hidden" name="csrf" value={view.csrf} />
              <button className="button small" type="submit">
                Sign out
              </button>
            </form>
          </li>
        ))}
      </ul>
    </section>
  );
}

function Stopped({ view }: { view: MyAgentsView }) {
  return (
    <section className="section">
      <h2>Stopped</h2>
      <ul className="aside">
        {view.stopped.map(({ id, app, resource, stoppedAt }) => (
          <li className="line" key={id}>
            <span>
              <ClientText text={app} />, which used <ClientText text={resource} />. Stopped{" "}
              <Moment at={stoppedAt} now={view.now} />.
            </span>
          </li>
        ))}
      </ul>
    </section>
  );
}
