import { ClientText } from "@/components/client-text";
import { DetailMembers, Sentence } from "@/components/details";
import { Icon } from "@/components/icon";
import { Moment } from "@/components/moment";
import type { Shown } from "@/lib/services/approval-shown";

type FactsProps = { shown: Shown; now: Date };

/** Nothing that is asked for is cut: what a person agrees to, they have to see. */
const LONGEST = 2000;

/** What is asked for exactly, by whom, for whom and from where. */
export function ActFacts({ shown, now }: FactsProps) {
  return (
    <dl className="facts">
      <Exactly shown={shown} />
      <Requester shown={shown} now={now} />
      {shown.onBehalfOf !== null && (
        <div className="fact">
          <dt className="side">For</dt>
          <dd>
            <strong>
              <bdi>{shown.onBehalfOf}</bdi>
            </strong>
          </dd>
        </div>
      )}
      {shown.chain.length > 1 && <Chain shown={shown} />}
      <Said shown={shown} />
      <RiskFact shown={shown} />
      <div className="fact">
        <dt className="side">Asked</dt>
        <dd>
          <p>
            <Moment at={new Date(shown.requestedAt)} now={now} />
          </p>
          <p className="aside">
            From <ClientText text={shown.from.address} />
            {shown.from.userAgent !== null && (
              <>
                , <ClientText text={shown.from.userAgent} max={120} />
              </>
            )}
          </p>
        </dd>
      </div>
    </dl>
  );
}

function Exactly({ shown: { details, permissions, resource } }: Pick<FactsProps, "shown">) {
  return (
    <div className="fact">
      <dt className="side">Exactly</dt>
      <dd>
        <ul className="words">
          {details.map(({ type, sentence, fields, risk, json }, place) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: two details may be the same, and stay where they are
            <li key={place}>
              <Sentence parts={sentence} />
              {risk === "high" && <span className="danger"> (high risk)</span>}
              <DetailMembers fields={fields} />
              <details className="more">
                <summary>As the agent sent it</summary>
                <code className="json">
                  {type} {json}
                </code>
              </details>
            </li>
          ))}
          {permissions.map(({ name, description, risk, described }) => (
            <li key={name}>
              <ClientText text={description} max={LONGEST} />
              {risk === "high" && <span className="danger"> (high risk)</span>}
              {described && <code className="aside block">{name}</code>}
            </li>
          ))}
          {details.length + permissions.length === 0 && <li>No permission beyond what it has</li>}
        </ul>
        <p className="aside">
          At <ClientText text={resource.name} max={100} /> <code>{resource.identifier}</code>
        </p>
      </dd>
    </div>
  );
}

const ATTESTED: Readonly<Record<string, string>> = { none: "Nobody vouches for the software it runs" };

function Requester({ shown: { requester }, now }: FactsProps) {
  const { name, clientId, owner, version, attestation, verifiedHost, registeredAt } = requester;
  return (
    <div className="fact">
      <dt className="side">Agent</dt>
      <dd>
        <p>
          <strong>
            <ClientText text={name} />
          </strong>
          {version !== null && (
            <span className="aside">
              {" "}
              version <ClientText text={version} max={40} />
            </span>
          )}
        </p>
        <p>
          {owner !== null && (
            <>
              Owned by <bdi>{owner}</bdi>
            </>
          )}
          {owner === null && verifiedHost !== null && `Verified by its web address: ${verifiedHost}`}
          {owner === null && verifiedHost === null && <NoOwner kind={requester.kind} />}
        </p>
        {attestation !== null && (
          <p className="aside">{ATTESTED[attestation] ?? `Its software is attested: ${attestation}`}</p>
        )}
        <p className="aside">
          Registered <Moment at={new Date(registeredAt)} now={now} />
        </p>
        <code className="aside block">{clientId}</code>
      </dd>
    </div>
  );
}

const NoOwner = ({ kind }: { kind: string }) =>
  kind === "static" ? (
    "Registered by the operator of this server"
  ) : (
    <span className="danger">
      {/* An agent without an owner may be the operator's, who named it. */}
      Unverified: {kind === "agent" ? "nobody here owns it" : "it named itself, and nobody here owns it"}
    </span>
  );

/** From the person who started it to whoever asks, each with less than the one before. */
function Chain({ shown: { chain } }: Pick<FactsProps, "shown">) {
  return (
    <div className="fact">
      <dt className="side">Came by</dt>
      <dd>
        <ol className="chain">
          {chain.map(({ name, scope }, place) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: somebody may stand in a chain twice, and nobody moves
            <li key={place}>
              <ClientText text={name} />
              {scope.length > 0 && <code className="aside block">{scope.join(" ")}</code>}
            </li>
          ))}
        </ol>
      </dd>
    </div>
  );
}

function Said({ shown: { said } }: Pick<FactsProps, "shown">) {
  const rest = [
    { label: "Its word for it", value: said.action },
    { label: "What it adds", value: said.metadata },
    { label: "The chain, by its account", value: said.chain },
  ].filter(({ value }) => value !== null);
  if (said.reason === null && rest.length === 0) return null;
  return (
    <div className="fact">
      <dt className="side">It says</dt>
      <dd>
        {said.reason !== null && (
          <p>
            <q>
              <ClientText text={said.reason} max={LONGEST} />
            </q>
          </p>
        )}
        <p className="aside">The agent's own words. Nobody verified them.</p>
        {rest.map(({ label, value }) => (
          <p className="aside" key={label}>
            {label}: <ClientText text={value ?? ""} max={LONGEST} />
          </p>
        ))}
      </dd>
    </div>
  );
}

const RISK_WORDS = { low: "Low risk", medium: "Medium risk", high: "High risk" } as const;

function RiskFact({ shown: { risk, riskReasons } }: Pick<FactsProps, "shown">) {
  return (
    <div className="fact">
      <dt className="side">Risk</dt>
      <dd>
        <p className={risk === "high" ? "marked danger" : "marked"}>
          <Icon name={risk === "high" ? "high" : "change"} />
          <strong>{RISK_WORDS[risk]}</strong>
        </p>
        {riskReasons.length > 0 && (
          <p className="aside">
            Why: <ClientText text={riskReasons.join("; ")} max={LONGEST} />
          </p>
        )}
      </dd>
    </div>
  );
}
