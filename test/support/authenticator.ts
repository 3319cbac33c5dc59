import { createHash, generateKeyPairSync, type KeyObject, randomBytes, sign } from "node:crypto";
import { jwkThumbprint } from "@/lib/oauth/jwk-thumbprint";
import { PasskeyJwk } from "@/lib/oauth/webauthn";

/** The algorithms of passkeys, by the names that JOSE has for them. */
export type Algorithm = "ES256" | "Ed25519" | "RS256" | "ES384";

/** What the server asks a browser to make a passkey with, as far as an authenticator cares. */
export type CreationOptions = { challenge: string; rp: { id: string }; user: { id: string } };

/** What it asks to be signed. */
export type RequestOptions = { challenge: string; rpId: string; allowCredentials?: { id: string }[] };

/** What this authenticator does otherwise than an honest one. */
export type Misbehaviour = {
  type?: string;
  challenge?: string;
  origin?: string;
  crossOrigin?: boolean;
  topOrigin?: string;
  rpId?: string;
  flags?: number;
  signCount?: number;
  userHandle?: string;
  /** Said beside what was signed. */
  id?: string;
  /** Beside the passkey: one that it makes of itself, or one with a certificate in the place of its `x5c`. */
  attestation?: "self" | { fmt: string; x5c?: Buffer };
  /** Follows the rest of the authenticator data. */
  trailing?: Buffer;
};

/** User present, user verified (WebAuthn Level 3 §6.1). */
export const UP = 0x01;
export const UV = 0x04;
/** May be backed up, is backed up. */
export const BE = 0x08;
export const BS = 0x10;
const AT = 0x40;

const b64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64url");
const sha256 = (data: Buffer | string): Buffer => createHash("sha256").update(data).digest();

export type Authenticator = ReturnType<typeof softwareAuthenticator>;

type Options = {
  /** Where the browser is. */
  origin: string;
  alg?: Algorithm;
  /** How far the counter goes at each use; 0: it does not count, as those that copy their keys do not. */
  step?: number;
  flags?: number;
  credentialId?: Buffer;
  /** Bits of an RSA key. */
  modulusLength?: number;
};

/** An authenticator with one key, and the browser before it (WebAuthn Level 3 §6). */
export function softwareAuthenticator({
  origin,
  alg = "ES256",
  step = 1,
  flags = UP | UV,
  credentialId = randomBytes(32),
  modulusLength = 2048,
}: Options) {
  const { publicKey, privateKey } = keyPair(alg, modulusLength);
  const id = b64(credentialId);
  let count = 0;

  const clientData = (type: string, challenge: string, bad: Misbehaviour) =>
    Buffer.from(
      JSON.stringify({
        type: bad.type ?? type,
        challenge: bad.challenge ?? challenge,
        origin: bad.origin ?? origin,
        crossOrigin: bad.crossOrigin ?? false,
        ...(bad.topOrigin ? { topOrigin: bad.topOrigin } : {}),
      }),
    );

  const authenticatorData = (rpId: string, extraFlags: number, bad: Misbehaviour) => {
    count += step;
    const counter = Buffer.alloc(4);
    counter.writeUInt32BE(bad.signCount ?? count);
    const flagByte = Buffer.from([(bad.flags ?? flags) | extraFlags]);
    return Buffer.concat([sha256(bad.rpId ?? rpId), flagByte, counter]);
  };

  /** Format and statement of an attestation (WebAuthn Level 3 §8). */
  function attest(attestation: Misbehaviour["attestation"], data: Buffer): [string, Cbor][] {
    if (!attestation)
      return [
        ["fmt", "none"],
        ["attStmt", new Map()],
      ];
    const statement: [string, Cbor][] = [
      ["alg", COSE_ALG[alg]],
      ["sig", signature(privateKey, alg, data)],
    ];
    if (attestation === "self")
      return [
        ["fmt", "packed"],
        ["attStmt", new Map(statement)],
      ];
    const { fmt, x5c } = attestation;
    return [
      ["fmt", fmt],
      ["attStmt", new Map(x5c ? [...statement, ["x5c", [x5c, x5c]]] : statement)],
    ];
  }

  /** `navigator.credentials.create()`, as JSON. */
  function create(options: CreationOptions, bad: Misbehaviour = {}) {
    const length = Buffer.alloc(2);
    length.writeUInt16BE(credentialId.length);
    const authData = Buffer.concat([
      authenticatorData(options.rp.id, AT, bad),
      Buffer.alloc(16, 0xa1),
      length,
      credentialId,
      cbor(coseKey(publicKey, alg)),
      bad.trailing ?? Buffer.alloc(0),
    ]);
    const said = clientData("webauthn.create", options.challenge, bad);
    const attestation = new Map<string, Cbor>([
      ...attest(bad.attestation, Buffer.concat([authData, sha256(said)])),
      ["authData", authData],
    ]);
    return {
      id: bad.id ?? id,
      rawId: bad.id ?? id,
      type: "public-key",
      clientExtensionResults: {},
      authenticatorAttachment: "platform",
      response: {
        clientDataJSON: b64(said),
        attestationObject: b64(cbor(attestation)),
        transports: ["internal", "hybrid"],
        publicKeyAlgorithm: COSE_ALG[alg],
      },
    };
  }

  /** `navigator.credentials.get()`, as JSON. */
  function get(options: RequestOptions, bad: Misbehaviour = {}) {
    const authData = Buffer.concat([
      authenticatorData(options.rpId, 0, bad),
      bad.trailing ?? Buffer.alloc(0),
    ]);
    const said = clientData("webauthn.get", options.challenge, bad);
    return {
      id: bad.id ?? id,
      rawId: bad.id ?? id,
      type: "public-key",
      clientExtensionResults: {},
      response: {
        clientDataJSON: b64(said),
        authenticatorData: b64(authData),
        signature: b64(signature(privateKey, alg, Buffer.concat([authData, sha256(said)]))),
        ...(bad.userHandle === undefined ? {} : { userHandle: bad.userHandle }),
      },
    };
  }

  /** The key as a proof has it. */
  const jwk = () => PasskeyJwk.parse({ ...publicKey.export({ format: "jwk" }), alg });
  /** The passkey as the audit trail names it. */
  const trusted = () => ({ credentialId: id, thumbprint: jwkThumbprint(jwk()) });

  return { id, jwk, trusted, create, get };
}

function keyPair(alg: Algorithm, modulusLength: number): { publicKey: KeyObject; privateKey: KeyObject } {
  switch (alg) {
    case "ES256":
      return generateKeyPairSync("ec", { namedCurve: "P-256" });
    case "ES384":
      return generateKeyPairSync("ec", { namedCurve: "P-384" });
    case "Ed25519":
      return generateKeyPairSync("ed25519");
    case "RS256":
      return generateKeyPairSync("rsa", { modulusLength });
  }
}

function signature(key: KeyObject, alg: Algorithm, data: Buffer): Buffer {
  return sign(alg === "Ed25519" ? null : alg === "ES384" ? "sha384" : "sha256", data, key);
}

const COSE_ALG = { ES256: -7, Ed25519: -8, RS256: -257, ES384: -35 } as const;
const COSE_CRV = { "P-256": 1, "P-384": 2, Ed25519: 6 } as const;

/** A public key as authenticators write it (RFC 9052 §7, RFC 9053 §7, RFC 8230 §4). */
function coseKey(key: KeyObject, alg: Algorithm): Map<number, Cbor> {
  const { kty, crv, x = "", y = "", n = "", e = "" } = key.export({ format: "jwk" });
  const bytes = (text: string) => Buffer.from(text, "base64url");
  const curve = COSE_CRV[crv as keyof typeof COSE_CRV];
  const head: [number, Cbor][] = [
    [1, kty === "OKP" ? 1 : kty === "EC" ? 2 : 3],
    [3, COSE_ALG[alg]],
  ];
  if (kty === "RSA") return new Map([...head, [-1, bytes(n)], [-2, bytes(e)]]);
  return new Map([...head, [-1, curve], [-2, bytes(x)], ...(kty === "EC" ? [[-3, bytes(y)] as const] : [])]);
}

type Cbor = number | string | Buffer | readonly Buffer[] | ReadonlyMap<number | string, Cbor>;

/** Writes what authenticators write: integers, bytes, text, lists and maps (RFC 8949 §3). */
function cbor(value: Cbor): Buffer {
  if (typeof value === "number") return value >= 0 ? head(0, value) : head(1, -1 - value);
  if (typeof value === "string") {
    const text = Buffer.from(value);
    return Buffer.concat([head(3, text.length), text]);
  }
  if (Buffer.isBuffer(value)) return Buffer.concat([head(2, value.length), value]);
  if (isList(value)) return Buffer.concat([head(4, value.length), ...value.map(cbor)]);
  const members = [...value].flatMap(([name, member]) => [cbor(name), cbor(member)]);
  return Buffer.concat([head(5, value.size), ...members]);
}

const isList = (value: readonly Buffer[] | ReadonlyMap<number | string, Cbor>): value is readonly Buffer[] =>
  Array.isArray(value);

function head(major: number, argument: number): Buffer {
  if (argument < 24) return Buffer.from([(major << 5) | argument]);
  if (argument < 0x100) return Buffer.from([(major << 5) | 24, argument]);
  return Buffer.from([(major << 5) | 25, argument >> 8, argument & 0xff]);
}
