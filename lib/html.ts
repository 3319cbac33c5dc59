/** Markup that is safe to send: literals of ours, and values that were escaped. */
export type SafeHtml = { readonly [SAFE]: string };

const SAFE = Symbol("SafeHtml");

type Value = string | number | SafeHtml | readonly SafeHtml[] | undefined | false;

// Control characters and the marks that reorder or hide text: an app must not be able to draw with them.
const INVISIBLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;
const ENTITIES: Record<string, string> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/** Builds markup from a template literal; every value is escaped for text and for quoted attributes. */
export function html(literals: TemplateStringsArray, ...values: Value[]): SafeHtml {
  return { [SAFE]: String.raw({ raw: literals }, ...values.map(render)) };
}

/** The markup of a value as text: what is not markup yet is escaped. */
export function render(value: Value): string {
  if (value === undefined || value === false) return "";
  if (typeof value === "string" || typeof value === "number") {
    return String(value)
      .replace(INVISIBLE, "")
      .replace(/[&<>"']/g, (character) => ENTITIES[character] ?? "");
  }
  return SAFE in value ? value[SAFE] : value.map(render).join("");
}
