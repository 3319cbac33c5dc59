import { generateKeyPairSync } from "node:crypto";
import { compactVerify, SignJWT } from "jose";
import { describe, expect, it } from "vitest";
import type { OAuthError } from "@/lib/errors";
import { readKid, signCompactJws, verifyCompactJws } from "./compact-jws";
import { type JwsAlgorithm, signJws } from "./jws";

const PAIRS = {
  ES256: generateKeyPairSync("ec", { namedCurve: "P-256" }),
  ES384: generateKeyPairSync("ec", { namedCurve: "P-384" }),
  RS256: generateKeyPairSync("rsa", { modulusLength: 2048 }),
  PS256: generateKeyPairSync("rsa", { modulusLength: 2048 }),
  Ed25519: generateKeyPairSync("ed25519"),
  EdDSA: generateKeyPairSync("ed25519"),
};
const ALGORITHMS = ["ES256", "ES384", "RS256", "PS256", "Ed25519", "EdDSA"] as const;
const CLAIMS = { iss: "https://as.example", sub: "agnt_1" };

const signer = (alg: JwsAlgorithm) => ({ alg, kid: `key-${alg}`, key: PAIRS[alg].privateKey });
const keys = new Map(ALGORITHMS.map((alg) => [`key-${alg}`, { alg, key: PAIRS[alg].publicKey }]));
const es256 = signer("ES256");

const accept = (token: string) => verifyCompactJws(token, { typ: "at+jwt", keys });
const encode = (text: string) => Buffer.from(text).toString("base64url");

/** The code and the reason, which only the log gets. */
function refusal(token: string, options = { typ: "at+jwt", keys }) {
  try {
    verifyCompactJws(token, options);
  } catch (error) {
    const { code, options: details } = error as OAuthError;
    return `${code}: ${details.reason}`;
  }
  return "accepted";
}

describe.each(ALGORITHMS)("%s (RFC 7518 §3, RFC 8037 §3.1)", (alg) => {
  it("verifies what it signed", () => {
    expect(accept(signCompactJws(signer(alg), "at+jwt", CLAIMS))).toEqual({
      header: { alg, typ: "at+jwt", kid: `key-${alg}` },
      payload: CLAIMS,
    });
  });

  it("signs what jose verifies", async () => {
    const { payload } = await compactVerify(
      signCompactJws(signer(alg), "at+jwt", CLAIMS),
      PAIRS[alg].publicKey,
      { algorithms: [alg] },
    );
    expect(JSON.parse(new TextDecoder().decode(payload))).toEqual(CLAIMS);
  });

  it("verifies what jose signed", async () => {
    const token = await new SignJWT(CLAIMS)
      .setProtectedHeader({ alg, typ: "at+jwt", kid: `key-${alg}` })
      .sign(PAIRS[alg].privateKey);
    expect(accept(token).payload).toEqual(CLAIMS);
  });

  it("refuses a changed payload", () => {
    const [header, , signature] = signCompactJws(signer(alg), "at+jwt", CLAIMS).split(".");
    const forged = [header, encode(JSON.stringify({ ...CLAIMS, sub: "agnt_2" })), signature].join(".");
    expect(refusal(forged)).toBe("invalid_token: the signature or its algorithm is wrong");
  });
});

describe("the key decides on the algorithm (RFC 8725 §3.1)", () => {
  const unsigned = (header: object) => `${encode(JSON.stringify(header))}.${encode(JSON.stringify(CLAIMS))}`;

  it.each(["none", "HS256", "RS1", "ES256K", "es256", "EdDSA", "RS256"])(
    "refuses alg %s under an ES256 key",
    (alg) => {
      const [, , signature] = signCompactJws(es256, "at+jwt", CLAIMS).split(".");
      const token = `${unsigned({ alg, typ: "at+jwt", kid: es256.kid })}.${signature}`;
      expect(refusal(token)).toBe("invalid_token: the signature or its algorithm is wrong");
    },
  );

  it("refuses a token whose signature was stripped", () => {
    const token = `${unsigned({ alg: "none", typ: "at+jwt", kid: es256.kid })}.`;
    expect(refusal(token)).toBe("invalid_token: not a compact JWS");
  });

  it("refuses the name EdDSA under a key that is held as Ed25519", () => {
    const token = signJws({ typ: "at+jwt", kid: "key-Ed25519" }, "{}", {
      ...signer("Ed25519"),
      alg: "EdDSA",
    });
    expect(refusal(token)).toBe("invalid_token: the signature or its algorithm is wrong");
  });

  it("refuses an RSA key's PKCS #1 v1.5 signature as PSS", () => {
    const token = signJws({ typ: "at+jwt", kid: "key-PS256" }, "{}", { ...signer("PS256"), alg: "RS256" });
    expect(refusal(token)).toBe("invalid_token: the signature or its algorithm is wrong");
  });

  it("refuses an ES256 signature in DER", async () => {
    const { sign } = await import("node:crypto");
    const input = unsigned({ alg: "ES256", typ: "at+jwt", kid: es256.kid });
    const der = sign("sha256", Buffer.from(input), es256.key).toString("base64url");
    expect(refusal(`${input}.${der}`)).toBe("invalid_token: the signature or its algorithm is wrong");
  });
});

describe("the header", () => {
  const withHeader = (header: Record<string, unknown>) =>
    signJws({ typ: "at+jwt", kid: es256.kid, ...header }, JSON.stringify(CLAIMS), es256);

  it.each(["crit", "b64", "zip"])("refuses the extension %s (RFC 7515 §4.1.11)", (name) => {
    expect(refusal(withHeader({ [name]: [] }))).toBe(`invalid_token: the header has ${name}`);
  });

  it.each(["jwk", "jku", "x5c", "x5u"])(
    "refuses a token that brings its key as %s (RFC 8725 §3.10)",
    (name) => {
      expect(refusal(withHeader({ [name]: "https://evil.example/jwks" }))).toBe(
        `invalid_token: the header has ${name}`,
      );
    },
  );

  it.each(["JWT", "AT+JWT", "application/at+jwt", "dpop+jwt", undefined])(
    "refuses typ %s (RFC 8725 §3.11)",
    (typ) => {
      expect(refusal(withHeader({ typ }))).toBe("invalid_token: typ is not at+jwt");
    },
  );

  it.each([undefined, 1, "other", "__proto__"])("refuses kid %s", (kid) => {
    expect(refusal(withHeader({ kid }))).toBe("invalid_token: kid names no key");
  });

  it("refuses a key that another kid names", () => {
    expect(refusal(withHeader({ kid: "key-RS256" }))).toBe(
      "invalid_token: the signature or its algorithm is wrong",
    );
  });

  it.each(["[]", "null", '"ES256"', "{", "\ufeff{}"])(
    "refuses a header that is not an object: %j",
    (header) => {
      expect(refusal(`${encode(header)}.e30.AAAA`)).toBe("invalid_token: the header is not a JSON object");
    },
  );

  it("refuses a header that is not UTF-8", () => {
    const latin1 = Buffer.from('{"kid":"\xe9"}', "latin1").toString("base64url");
    expect(refusal(`${latin1}.e30.AAAA`)).toBe("invalid_token: the header is not a JSON object");
  });
});

describe("the serialization (RFC 7515 §3.1)", () => {
  const token = signCompactJws(es256, "at+jwt", CLAIMS);

  it.each([
    ["empty", ""],
    ["padded", `${token}=`],
    ["with a line break at the end", `${token}\n`],
    ["with a fourth segment", `${token}.AAAA`],
    ["in standard base64", token.replace(/\.[^.]*$/, ".ab+/")],
    ["a JSON serialization", JSON.stringify({ payload: "e30", signatures: [] })],
    ["a JWE", "e30.e30.e30.e30.e30"],
  ])("refuses a token that is %s", (_, text) => {
    expect(refusal(text)).toBe("invalid_token: not a compact JWS");
  });

  it("refuses a second spelling of the same signature", () => {
    // 64 bytes leave four unused bits in the last character.
    const respelled = token.slice(0, -1) + String.fromCharCode(token.charCodeAt(token.length - 1) + 1);
    expect(Buffer.from(respelled.split(".")[2] ?? "", "base64url")).toEqual(
      Buffer.from(token.split(".")[2] ?? "", "base64url"),
    );
    expect(refusal(respelled)).toBe("invalid_token: a segment is not canonical base64url");
  });

  it("reads 16 KiB and not one character more", () => {
    const padded = (length: number) => `${encode("{}")}.${"A".repeat(length - 9)}.AAAA`;
    expect(padded(16_384).length).toBe(16_384);
    expect(refusal(padded(16_384))).toBe("invalid_token: typ is not at+jwt");
    expect(refusal(padded(16_385))).toBe("invalid_token: the JWS is longer than 16 KiB");
  });

  it("refuses a payload that is not JSON", () => {
    expect(refusal(signJws({ typ: "at+jwt", kid: es256.kid }, "claims", es256))).toBe(
      "invalid_token: the payload is not JSON",
    );
  });
});

describe("the caller", () => {
  it("chooses the error code that a refusal carries", () => {
    expect(() => verifyCompactJws("", { typ: "JWT", keys, code: "invalid_client" })).toThrow(
      expect.objectContaining({ code: "invalid_client" }),
    );
  });

  it("reads the kid of a token before it can verify it", () => {
    expect(readKid(signCompactJws(es256, "at+jwt", CLAIMS))).toBe("key-ES256");
    expect(readKid(signJws({}, "{}", es256))).toBeUndefined();
  });
});
