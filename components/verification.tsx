import { Icon } from "@/components/icon";
import { distance } from "@/components/moment";

/** How much is known about an app beyond the name it gave itself. */
export type Verification =
  | { kind: "document"; host: string }
  | { kind: "static" }
  | { kind: "dynamic"; registeredAt: Date };

/** Says who vouches for an app's name, or that nobody does. */
export function VerificationLine({ verification, now }: { verification: Verification; now: Date }) {
  switch (verification.kind) {
    case "document":
      return (
        <p className="marked">
          <Icon name="tick" />
          <span>
            Verified by its web address: <strong>{verification.host}</strong>
          </span>
        </p>
      );
    case "static":
      return (
        <p className="marked">
          <Icon name="tick" />
          <span>Verified: registered by the operator of this server</span>
        </p>
      );
    case "dynamic":
      return (
        <>
          <p className="marked danger">
            <Icon name="unverified" />
            <span>Unverified: this app named itself</span>
          </p>
          <p className="aside">
            Registered{" "}
            <time dateTime={verification.registeredAt.toISOString()}>
              {distance(verification.registeredAt, now)}
            </time>{" "}
            by dynamic registration. Anyone can choose any name that way.
          </p>
        </>
      );
  }
}
