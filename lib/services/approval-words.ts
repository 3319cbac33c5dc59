import type { ApprovalKind, AskedAct } from "@/db/schema/approvals";
import type { Risk } from "@/db/schema/resources";
import type { Context } from "@/lib/context";
import type { AuthorizationDetail } from "@/lib/oauth/authorization-details";
import { typeOf } from "@/lib/oauth/details-terms";
import { type DetailInWords, detailInWords } from "@/lib/oauth/details-words";
import { toPlainText } from "@/lib/oauth/display-text";
import type { ActApproval } from "./approvals";
import { describeScope, targetAt, undescribedScope } from "./targets";

/** What a person is shown of a permission. */
type PermissionInWords = { name: string; description: string; risk: Risk; described: boolean };

/** An act in the words that people read, whatever channel shows them. */
export type ActInWords = {
  /** What follows "wants to": "send 1 payment of 250 EUR to ACME". */
  verb: string;
  resource: { name: string; identifier: string };
  permissions: readonly PermissionInWords[];
  details: readonly (DetailInWords & { risk: Risk; type: string; json: string })[];
};

/** What words are made of. */
type Wordable = Pick<ActApproval, "kind"> & {
  act: Pick<AskedAct, "resource" | "scope" | "authorizationDetails">;
};

/** Puts what is asked for into words: what the resource registered, and the bare names where it registered none. */
export async function actInWords(ctx: Context, { act, kind }: Wordable): Promise<ActInWords> {
  const { resource, scope, authorizationDetails = [] } = act;
  const { name, scopes, detailsTerms, types } = await targetAt(ctx, resource);
  const permissions = scope.map((each): PermissionInWords => {
    const { description, risk } = describeScope({ scopes }, each);
    return { name: each, description, risk, described: description !== undescribedScope(each).description };
  });
  const details = authorizationDetails.map((detail) => {
    const type = typeOf(detailsTerms, detail);
    const words = type ? detailInWords(type, detail) : rawDetail(detail);
    const risk = types.find((each) => each.type === detail.type)?.risk ?? "medium";
    return { ...words, risk, type: detail.type, json: JSON.stringify(detail, null, 2) };
  });
  const said = [
    ...details.map(({ sentence }) => sentence.map(({ text }) => text).join("")),
    ...permissions.map(({ description }) => description),
  ].map(lowerFirst);
  return {
    verb: verbOf(kind, said, name),
    resource: { name, identifier: resource },
    permissions,
    details,
  };
}

/** A detail of a type that the resource has no more is shown as it came. */
const rawDetail = (detail: AuthorizationDetail): DetailInWords => ({
  sentence: [
    { text: "Act as ", isValue: false },
    { text: detail.type, isValue: true },
  ],
  fields: Object.entries(detail)
    .filter(([name]) => name !== "type")
    .map(([place, value]) => ({ place, label: place, value: JSON.stringify(value) })),
});

/** Acts that a title names; the page lists them all. */
const MAX_NAMED = 2;
/** Characters of a title: it is read on a phone and in a list. */
const LONGEST = 160;

function verbOf(kind: ApprovalKind, said: readonly string[], resource: string): string {
  if (said.length === 0) return kind === "device" ? "sign in for you" : `use ${resource}`;
  const rest = said.length - MAX_NAMED;
  const named = said.slice(0, MAX_NAMED).join(rest > 0 ? ", " : " and ");
  return toPlainText(rest > 0 ? `${named} and ${rest} more` : named, LONGEST);
}

const lowerFirst = (text: string): string =>
  // "API" and "“db:delete”" stay as they are.
  /^\p{Lu}\p{Ll}/u.test(text) || /^\p{Lu}\s/u.test(text)
    ? text.charAt(0).toLowerCase() + text.slice(1)
    : text;

/** One sentence that says it all: "search-bot wants to send 1 payment of 250 EUR to ACME"; "wanted to", once it is over. */
export const sentenceOf = (requester: string, { verb }: ActInWords, isOver = false): string =>
  `${requester} ${isOver ? "wanted" : "wants"} to ${verb}`;
