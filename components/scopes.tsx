import { type AskedDetail, DetailChoice, DetailsAsJson } from "@/components/details";
import { Icon, type IconName } from "@/components/icon";

export type Risk = "low" | "medium" | "high";

export type Scope = {
  /** As it is on the wire. */
  name: string;
  /** What it lets the app do, as a sentence for people. */
  description: string;
  risk: Risk;
  /** False: nobody did, and the description is no more than the name. */
  described: boolean;
};

/** One permission on a page that asks: still to be answered, needed for anything to work, or given before. */
export type AskedScope = Scope & {
  status: "asked" | "required" | "already-allowed";
  /** Overrides how its box starts, to show a form again as it was left. */
  ticked?: boolean;
};

type Group = Risk | "not-described" | "exact";

const GROUPS: readonly { group: Group; title: string; icon: IconName }[] = [
  { group: "exact", title: "Exactly this", icon: "exact" },
  { group: "low", title: "Read", icon: "read" },
  { group: "medium", title: "Change", icon: "change" },
  { group: "not-described", title: "Not described", icon: "unverified" },
  { group: "high", title: "High risk", icon: "high" },
];

const groupOf = ({ described, risk }: Scope): Group => (described ? risk : "not-described");

type Asked = { scopes: readonly AskedScope[]; details?: readonly AskedDetail[] };

/** Permissions grouped by what they can do, each with a box; what can do lasting harm starts unticked. */
export function ScopeChoices({ scopes, details = [] }: Asked) {
  return GROUPS.map(({ group, title, icon }) => {
    const members = scopes.filter((scope) => groupOf(scope) === group);
    const exact = details.filter(({ risk }) => group === (risk === "high" ? "high" : "exact"));
    if (members.length + exact.length === 0) return null;
    const startsUnticked =
      group === "high" &&
      (members.some(({ status, ticked }) => status === "asked" && !ticked) ||
        exact.some(({ ticked }) => !ticked));
    return (
      <fieldset className="scopes" key={group}>
        <legend className={group === "high" ? "side danger" : "side"}>
          <span className="marked">
            <Icon name={icon} />
            {title}
          </span>
        </legend>
        <ul>
          {exact.map((detail) => (
            <li key={detail.key}>
              <DetailChoice detail={detail} />
            </li>
          ))}
          {members.map((scope) => (
            <li key={scope.name}>
              <ScopeChoice scope={scope} />
            </li>
          ))}
        </ul>
        {group === "not-described" && (
          <p className="aside">These are the app’s own names. Nobody told this server what they let it do.</p>
        )}
        {startsUnticked && (
          <p className="aside">
            Left unticked because it can do lasting harm. Tick it only if you want this app to do it.
          </p>
        )}
      </fieldset>
    );
  });
}

function ScopeChoice({ scope }: { scope: AskedScope }) {
  if (scope.status === "asked") {
    return (
      <label className="scope">
        <input
          className="box"
          type="checkbox"
          name="scope"
          value={scope.name}
          defaultChecked={scope.ticked ?? scope.risk !== "high"}
        />
        <span>{scope.description}</span>
      </label>
    );
  }
  return (
    <div className="scope kept">
      <Icon name="tick" />
      <span>
        {scope.description}
        <span className="aside">
          {scope.status === "required" ? "Needed for the rest" : "Already allowed"}
        </span>
      </span>
      {scope.status === "required" && <input type="hidden" name="scope" value={scope.name} />}
    </div>
  );
}

type Named = { scopes: readonly Scope[]; details?: readonly AskedDetail[] };

/** The same permissions by the names machines use, for who wants to know exactly. */
export function TechnicalNames({ scopes, details = [] }: Named) {
  return (
    <details className="more">
      <summary>Technical names</summary>
      <ul className="names">
        <DetailsAsJson details={details} />
        {scopes.map(({ name, description }) => (
          <li key={name}>
            <code>{name}</code>
            <span className="aside"> {description}</span>
          </li>
        ))}
      </ul>
    </details>
  );
}
