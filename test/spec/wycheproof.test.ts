import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { isOAuthError } from "@/lib/errors";
import { isSignedBy, JWS_ALGORITHMS, parseJws } from "@/lib/oauth/jws";
import { importVerificationKey } from "@/lib/oauth/verification-key";

const Jwk = z.record(z.string(), z.unknown());
const Vector = z.object({ tcId: z.number(), jws: z.string(), result: z.enum(["valid", "invalid"]) });
const JwsFile = z.object({
  testGroups: z.array(z.object({ private: Jwk, public: Jwk.optional(), tests: z.array(Vector) })),
});
const KeySet = z.object({ keys: z.array(Jwk) });
const JwkFile = z.object({
  testGroups: z.array(z.object({ private: KeySet, public: KeySet.optional(), tests: z.array(Vector) })),
});
type Vector = z.infer<typeof Vector> & { keys: readonly z.infer<typeof Jwk>[] };

const read = (name: string): unknown =>
  JSON.parse(readFileSync(new URL(`../vectors/${name}`, import.meta.url), "utf8"));

const signatures: Vector[] = JwsFile.parse(read("wycheproof-jws.json")).testGroups.flatMap((group) =>
  group.tests.map((test) => ({ ...test, keys: [group.public ?? group.private] })),
);
const keySets: Vector[] = JwkFile.parse(read("wycheproof-jwk.json")).testGroups.flatMap((group) =>
  group.tests.map((test) => ({ ...test, keys: (group.public ?? group.private).keys })),
);

/** What every verification of ours does: parse, import the key of that kid for its own algorithm, verify. */
function isAccepted({ jws, keys }: Vector): boolean {
  try {
    const parsed = parseJws(jws);
    const jwk = keys.find(({ kid }) => kid === parsed.header.kid) ?? keys[0] ?? {};
    return isSignedBy(parsed, importVerificationKey(jwk, jwk.alg ?? parsed.header.alg));
  } catch (error) {
    if (isOAuthError(error)) return false;
    throw error;
  }
}

const idsOf = (vectors: Vector[]) => vectors.map(({ tcId }) => tcId);

function isParsed({ jws }: Vector): boolean {
  try {
    parseJws(jws);
    return true;
  } catch (error) {
    if (isOAuthError(error)) return false;
    throw error;
  }
}

/** The algorithm that both the key and the token name. */
function algorithmOf({ jws, keys }: Vector): unknown {
  const { alg } = z
    .object({ alg: z.string() })
    .parse(JSON.parse(Buffer.from(jws.split(".")[0] ?? "", "base64url").toString()));
  return keys.some((key) => key.alg === alg) ? alg : undefined;
}
const isOurs = (vector: Vector) => JWS_ALGORITHMS.some((alg) => alg === algorithmOf(vector));

describe("Wycheproof JSON Web Signature", () => {
  // Byte-identical to tcId 357, which is valid: the file cannot hold the padding that their comments speak of.
  const ARTEFACTS = [367, 370];
  const invalid = signatures.filter(({ tcId, result }) => result === "invalid" && !ARTEFACTS.includes(tcId));
  const valid = signatures.filter(({ result }) => result === "valid");

  it("holds 401 vectors, of which 353 are invalid and 46 valid", () => {
    expect([signatures.length, invalid.length, valid.length]).toEqual([401, 353, 46]);
  });

  it("skips two artefacts only, which are copies of a valid token", () => {
    const [copied] = signatures.filter(({ tcId }) => tcId === 357);
    const artefacts = signatures.filter(({ tcId }) => ARTEFACTS.includes(tcId));
    expect(artefacts.map(({ jws }) => jws)).toEqual([copied?.jws, copied?.jws]);
  });

  it("refuses every invalid vector", () => {
    expect(idsOf(invalid.filter(isAccepted))).toEqual([]);
  });

  it("accepts every valid vector with an algorithm we allow", () => {
    const ours = valid.filter((vector) => vector.tcId !== 372 && vector.tcId !== 373).filter(isOurs);
    expect(ours.length).toBe(16);
    expect(idsOf(ours.filter((vector) => !isAccepted(vector)))).toEqual([]);
  });

  it("refuses every valid vector with an algorithm we do not allow", () => {
    expect(idsOf(valid.filter((vector) => !isParsed(vector)))).toEqual([372, 373]);
    const others = valid.filter(isParsed).filter((vector) => !isOurs(vector));
    expect(others.length).toBe(28);
    expect(idsOf(others.filter(isAccepted))).toEqual([]);
  });

  // These are HS256, so their algorithm alone would have them refused; their spelling must be enough.
  it.each([360, 361, 362, 363, 364, 365, 366, 368, 369, 371, 372, 373, 374, 375])(
    "refuses the spelling of tcId %i before any key is looked up (RFC 7515 §2)",
    (tcId) => {
      expect(signatures.filter((vector) => vector.tcId === tcId).map(isParsed)).toEqual([false]);
    },
  );
});

describe("Wycheproof JSON Web Key", () => {
  const invalid = keySets.filter(({ result }) => result === "invalid");
  const valid = keySets.filter(({ result }) => result === "valid");

  it("holds 26 vectors, of which 21 are invalid and 5 valid", () => {
    expect([keySets.length, invalid.length, valid.length]).toEqual([26, 21, 5]);
  });

  it("refuses every invalid vector", () => {
    expect(idsOf(invalid.filter(isAccepted))).toEqual([]);
  });

  it("accepts the one valid vector that is not symmetric", () => {
    expect(idsOf(valid.filter(isAccepted))).toEqual([5]);
  });

  // 6 to 9: meant for encryption, ROCA, 1024 bits, exponent one. 19 to 24: algorithm, use, point, curve, type.
  it.each([6, 7, 8, 9, 19, 20, 21, 22, 23, 24])(
    "refuses to import the key of tcId %i (RFC 8725 §3)",
    (tcId) => {
      const [key] = keySets.filter((vector) => vector.tcId === tcId).flatMap(({ keys }) => keys);
      expect(() => importVerificationKey(key ?? {}, key?.alg)).toThrow("Send a public key for ES256");
    },
  );
});
