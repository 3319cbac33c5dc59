import type { Verification } from "@/components/verification";

type Known = {
  kind: "document" | "dynamic" | "static" | "agent";
  host?: string | undefined;
  registeredAt: Date;
};

/** Who vouches for an app's name. */
export function verificationOf({ kind, host, registeredAt }: Known): Verification {
  if (kind === "document" && host) return { kind, host };
  return kind === "static" ? { kind } : { kind: "dynamic", registeredAt };
}
