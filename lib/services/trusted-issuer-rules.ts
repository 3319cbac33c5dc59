import type { PeopleRule, TrustPurpose, WorkloadRule } from "@/db/schema/trusted-issuers";
import { areSelective } from "@/lib/oauth/claim-conditions";
import { isLoopbackHost, splitUri } from "@/lib/oauth/uri";
import { isOpenToAnybody } from "@/lib/settings/providers";
import { issuerProblem } from "@/lib/settings/values";

type Problem = { field: string; message: string };
/** What of a registration has to make sense together. */
type Registration = {
  issuer: string;
  purposes: readonly TrustPurpose[];
  jwksUri: string | null;
  people: PeopleRule;
  workloads: readonly WorkloadRule[];
};
/** What a SPIFFE trust domain can say: which workload somebody is. */
const OF_WORKLOADS: readonly TrustPurpose[] = ["workload", "client_auth"];
/** Assertions with a `typ` of their own are taken for nothing else (RFC 8725 §3.11). */
const TYPED: readonly TrustPurpose[] = ["id_jag", "client_auth"];

type Rule = (issuer: Registration, serverUrl: string) => Problem | undefined;

const SPIFFE_TRUST_DOMAIN = /^spiffe:\/\/[a-z0-9._-]{1,255}$/;
const isSpiffe = (issuer: string): boolean => issuer.startsWith("spiffe:");

/** Why an issuer cannot be trusted on these terms, field by field as the wire names them. */
export function registrationProblems(issuer: Registration, serverUrl: string): readonly Problem[] {
  return RULES.flatMap((rule) => rule(issuer, serverUrl) ?? []);
}

const RULES: readonly Rule[] = [
  ({ issuer }) => {
    const message = isSpiffe(issuer) ? spiffeProblem(issuer) : issuerNameProblem(issuer);
    return message ? { field: "issuer", message } : undefined;
  },

  // Our own tokens are judged by what we know of them, never as somebody else's.
  ({ issuer }, serverUrl) =>
    issuer.replace(/\/$/, "") === serverUrl
      ? { field: "issuer", message: "is this server itself" }
      : undefined,

  // "array of issuers and JWKS by manual configuration": a trust domain has no metadata to look its keys up in.
  ({ issuer, jwksUri }) =>
    isSpiffe(issuer) && jwksUri === null
      ? { field: "jwks_uri", message: "must be where the keys of the trust domain are" }
      : undefined,

  ({ jwksUri }) => {
    const message = jwksUri === null ? undefined : addressProblem(jwksUri);
    return message ? { field: "jwks_uri", message } : undefined;
  },

  ({ issuer, purposes }) =>
    isSpiffe(issuer) && purposes.some((purpose) => !OF_WORKLOADS.includes(purpose))
      ? { field: "purposes", message: "must be workload or client_auth for a SPIFFE trust domain" }
      : undefined,

  // Nothing in a plain JWT tells who signed in from a server that acts for people, or a workload that acts for itself.
  ({ issuer, purposes }) => {
    const alike = purposes.filter((purpose) => !isSpiffe(issuer) && !TYPED.includes(purpose));
    const message = `must have only one of ${alike.join(", ")}: their assertions look alike`;
    return alike.length > 1 ? { field: "purposes", message } : undefined;
  },

  // An address of the operator's own domain is what tells its people from the rest of the world (D19).
  ({ issuer, people }) =>
    people.create && people.allowedDomains.length === 0 && !isSpiffe(issuer) && isOpenToAnybody(issuer)
      ? {
          field: "people.allowed_domains",
          message: "must list the domains whose people may come in: anyone can open an account there",
        }
      : undefined,

  ({ workloads }) => {
    const index = workloads.findIndex(({ claims }) => !areSelective(claims));
    const message = "must single workloads out: by sub, or by two other claims";
    return index === -1 ? undefined : { field: `workloads.${index}.claims`, message };
  },
];

const spiffeProblem = (issuer: string): string | undefined =>
  SPIFFE_TRUST_DOMAIN.test(issuer) ? undefined : "must be a trust domain such as spiffe://example.org";

/** The name of an issuer is compared to the letter, so it has one spelling (RFC 8414 §2, RFC 3986 §6.2.2.1). */
export function issuerNameProblem(issuer: string): string | undefined {
  const problem = addressProblem(issuer) ?? issuerProblem(issuer);
  if (problem) return problem;
  return issuer.startsWith(new URL(issuer).origin)
    ? undefined
    : "must have its scheme and its host in lower case";
}

/** https, or http on this machine, and nothing that is not compared or sent (RFC 8414 §2). */
function addressProblem(address: string): string | undefined {
  const uri = splitUri(address);
  if (!uri?.authority || !URL.canParse(address)) return "must be a URL such as https://id.example.com";
  const { protocol, hostname, username, password } = new URL(address);
  if (protocol !== "https:" && !(protocol === "http:" && isLoopbackHost(hostname)))
    return "must begin with https:// (http:// is for localhost only)";
  if (username || password) return "must not carry a user name or a password";
  return undefined;
}
