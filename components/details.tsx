import { ClientText } from "@/components/client-text";
import type { Risk } from "@/components/scopes";

/** One thing an app may do, said by what exactly, and to whom, and up to how much. */
export type Detail = {
  key: string;
  risk: Risk;
  /** A sentence in parts: ours, and values that the app chose. */
  sentence: readonly { text: string; isValue: boolean }[];
  /** What the sentence does not say. */
  fields: readonly { place: string; label: string; value: string }[];
};

/** One that is asked for. */
export type AskedDetail = Detail & {
  /** Its place in the request, which the form sends back. */
  place: number;
  /** As it is on the wire. */
  type: string;
  json: string;
  /** Overrides how its box starts, to show a form again as it was left. */
  ticked?: boolean;
};

/** No text of an app is cut here: what a person agrees to, they have to see. */
const LONGEST = 1000;

/** The sentence of a detail, with what the app chose told apart. */
export function Sentence({ parts }: { parts: Detail["sentence"] }) {
  return parts.map(({ text, isValue }, index) => {
    // biome-ignore lint/suspicious/noArrayIndexKey: the parts of a sentence stay where they are
    return isValue ? <Value key={index} text={text} /> : <span key={index}>{text}</span>;
  });
}

function Value({ text }: { text: string }) {
  return (
    <strong>
      <ClientText text={text} max={LONGEST} />
    </strong>
  );
}

/** A detail with its box; what can do lasting harm starts unticked. */
export function DetailChoice({ detail }: { detail: AskedDetail }) {
  const members = `detail-${detail.place}`;
  return (
    <>
      <label className="scope">
        <input
          className="box"
          type="checkbox"
          name="detail"
          value={detail.place}
          defaultChecked={detail.ticked ?? detail.risk !== "high"}
          aria-describedby={detail.fields.length > 0 ? members : undefined}
        />
        <span>
          <Sentence parts={detail.sentence} />
        </span>
      </label>
      <DetailMembers id={members} fields={detail.fields} />
    </>
  );
}

/** What the sentence of a detail does not say. */
export function DetailMembers({ id, fields }: { id?: string } & Pick<Detail, "fields">) {
  if (fields.length === 0) return null;
  return (
    <dl className="members" id={id}>
      {fields.map(({ place, label, value }) => (
        <div key={place}>
          <dt>{label}</dt>
          <dd>
            <ClientText text={value} max={LONGEST} />
          </dd>
        </div>
      ))}
    </dl>
  );
}

/** The same details as machines write them. */
export function DetailsAsJson({ details }: { details: readonly AskedDetail[] }) {
  return details.map(({ key, type, json }) => (
    <li key={key}>
      <code>{type}</code>
      <code className="json">{json}</code>
    </li>
  ));
}
