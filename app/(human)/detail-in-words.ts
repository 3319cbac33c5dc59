import type { Detail } from "@/components/details";
import type { AuthorizationDetail } from "@/lib/oauth/authorization-details";
import { type DetailsTerms, typeOf } from "@/lib/oauth/details-terms";
import { detailInWords } from "@/lib/oauth/details-words";

/** A detail as the pages show it; undefined where the resource has no such type any more: then it gives nothing. */
export function detailAsShown(
  terms: DetailsTerms,
  detail: AuthorizationDetail,
  key: string,
): Detail | undefined {
  const type = typeOf(terms, detail);
  return type && { key, risk: type.risk, ...detailInWords(type, detail) };
}
