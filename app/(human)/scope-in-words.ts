import type { Scope } from "@/components/scopes";
import { describeScope, type Target } from "@/lib/services/targets";

/** A scope as the pages show it; one that nobody described says so, since its words are only its name. */
export function scopeInWords(target: Pick<Target, "scopes">, name: string): Scope {
  const { description, risk } = describeScope(target, name);
  const described = description !== describeScope({ scopes: [] }, name).description;
  return { name, description, risk, described };
}
