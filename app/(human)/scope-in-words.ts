import type { Scope } from "@/components/scopes";
import { describeScope, type Target, undescribedScope } from "@/lib/services/targets";

/** A scope as the pages show it; one that nobody described says so, since its words are only its name. */
export function scopeInWords(target: Pick<Target, "scopes">, name: string): Scope {
  const { description, risk } = describeScope(target, name);
  const described = description !== undescribedScope(name).description;
  return { name, description, risk, described };
}
