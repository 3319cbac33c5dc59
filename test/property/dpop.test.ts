import { generateKeyPairSync } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isOAuthError } from "@/lib/errors";
import { isSameAddress, verifyDpopProof } from "@/lib/oauth/dpop-proof";
import { signJws } from "@/lib/oauth/jws";

/** What a path may be made of (RFC 3986 §3.3): letters of every kind, and escapes of what would divide it. */
const UNRESERVED = [..."azAZ09-_~"];
const piece = fc.constantFrom(...UNRESERVED, "%2F", "%3F", "%25", "%C3%A9", "!", "$", ":", "@", "+");
const segment = fc.array(piece, { minLength: 1, maxLength: 6 });
const address = fc.record({
  secure: fc.boolean(),
  host: fc.constantFrom("as.example", "localhost", "127.0.0.1", "[::1]"),
  port: fc.constantFrom(undefined, 8000, 8443),
  path: fc.array(segment, { maxLength: 4 }),
});
type Address = typeof address extends fc.Arbitrary<infer A> ? A : never;

const written = ({ secure, host, port, path }: Address): string =>
  `${secure ? "https" : "http"}://${host}${port === undefined ? "" : `:${port}`}/${path.map((parts) => parts.join("")).join("/")}`;

/** How one and the same address may be spelled (RFC 3986 §6.2.2, §6.2.3), drawn for each part of it. */
const spelling = fc.record({
  upperScheme: fc.boolean(),
  upperHost: fc.boolean(),
  namesDefaultPort: fc.boolean(),
  escapes: fc.array(fc.boolean(), { minLength: 24, maxLength: 24 }),
  lowerHex: fc.boolean(),
  dots: fc.constantFrom("", "/.", "/x/..", "/%2e", "/x/%2E."),
  tail: fc.constantFrom("", "?", "?a=b", "#c", "?a=/../b#c"),
});
type Spelling = typeof spelling extends fc.Arbitrary<infer S> ? S : never;

const escaped = (character: string): string =>
  `%${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(2, "0")}`;

function respelled({ secure, host, port, path }: Address, as: Spelling): string {
  let place = 0;
  const spelled = (part: string): string => {
    const escapes = as.escapes[place++ % as.escapes.length] && UNRESERVED.includes(part);
    const text = escapes ? escaped(part) : part;
    return as.lowerHex && text.startsWith("%") ? text.toLowerCase() : text;
  };
  const scheme = secure ? "https" : "http";
  const defaultPort = as.namesDefaultPort ? `:${secure ? 443 : 80}` : "";
  const authority = `${as.upperHost ? host.toUpperCase() : host}${port === undefined ? defaultPort : `:${port}`}`;
  const segments = path.map((parts) => parts.map(spelled).join("")).join("/");
  return `${as.upperScheme ? scheme.toUpperCase() : scheme}://${authority}${as.dots}/${segments}${as.tail}`;
}

describe("the address of a proof (RFC 9449 §4.3)", () => {
  it("is the same however it is spelled", () => {
    const property = fc.property(address, spelling, (one, as) => {
      expect([respelled(one, as), isSameAddress(respelled(one, as), written(one))]).toEqual([
        respelled(one, as),
        true,
      ]);
    });
    fc.assert(property, { numRuns: 5000, seed: 17 });
  });

  /** Each changes what an address means, and as little of it as can be. */
  const changes: ((of: Address) => Address)[] = [
    (of) => ({ ...of, secure: !of.secure }),
    (of) => ({ ...of, port: of.port === undefined ? 8000 : undefined }),
    (of) => ({ ...of, host: of.host === "localhost" ? "127.0.0.1" : "localhost" }),
    (of) => ({ ...of, path: [...of.path, ["a"]] }),
    (of) => ({ ...of, path: of.path.length > 0 ? [...of.path, []] : [["A"]] }),
    (of) => ({ ...of, path: [["a", ...(of.path[0] ?? [])], ...of.path.slice(1)] }),
    (of) => ({ ...of, path: [["%2F", ...(of.path[0] ?? [])], ...of.path.slice(1)] }),
  ];

  it("is another one when anything in it means something else", () => {
    const change = fc.constantFrom(...changes);
    const property = fc.property(address, change, spelling, (one, changed, as) => {
      const other = written(changed(one));
      expect([respelled(one, as), other, isSameAddress(respelled(one, as), other)]).toEqual([
        respelled(one, as),
        other,
        false,
      ]);
    });
    fc.assert(property, { numRuns: 5000, seed: 17 });
  });
});

describe("a proof", () => {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const url = "https://as.example/token";
  const now = new Date(1_800_000_000_000);
  const proof = signJws(
    { typ: "dpop+jwt", jwk: publicKey.export({ format: "jwk" }) },
    JSON.stringify({ jti: "1", htm: "POST", htu: url, iat: 1_800_000_000 }),
    { alg: "ES256", key: privateKey },
  );
  const expected = { method: "POST", url, now };

  it("verifies as it is, and with no character of it changed", () => {
    expect(verifyDpopProof(proof, expected).jti).toBe("1");
    const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=+/ ";
    const places = fc.integer({ min: 0, max: proof.length - 1 });
    const property = fc.property(places, fc.constantFrom(...alphabet), (at, character) => {
      const changed = `${proof.slice(0, at)}${character}${proof.slice(at + 1)}`;
      let code: string | undefined;
      try {
        verifyDpopProof(changed, expected);
      } catch (error) {
        if (!isOAuthError(error)) throw error;
        code = error.code;
      }
      expect(code).toBe(changed === proof ? undefined : "invalid_dpop_proof");
    });
    fc.assert(property, { numRuns: 3000, seed: 17 });
  });
});
