import { randomBytes } from "node:crypto";
import { beforeAll, describe, expect, it } from "vitest";
import { findPasskey, listPasskeys, type Passkey } from "@/lib/services/passkeys";
import {
  type Authenticator,
  BE,
  BS,
  type Misbehaviour,
  softwareAuthenticator,
  UP,
  UV,
} from "@/test/support/authenticator";
import { connect, refusalOf } from "@/test/support/client";
import { type TestContext, testContext } from "@/test/support/context";
import { unchanged } from "@/test/support/digest";
import { passkeysOf, type Visitor } from "@/test/support/passkeys";

let t: TestContext;
let p: ReturnType<typeof passkeysOf>;
/** Has one passkey. */
let ada: Visitor;
let hers: Authenticator;

beforeAll(async () => {
  t = await testContext();
  p = passkeysOf(t, connect(t));
  ada = await p.visit();
  hers = await p.enrol(ada);
});

const device = (options: Partial<Parameters<typeof softwareAuthenticator>[0]> = {}) =>
  softwareAuthenticator({ origin: p.origin, ...options });

const keptOf = ({ person }: Visitor, { id }: Authenticator): Promise<Passkey | undefined> =>
  findPasskey(t.ctx, { userId: person.user.id, credentialId: id });

/** Holds that a credential is refused, changes nothing, and is refused for this reason: only the log says which. */
async function expectRefused(send: () => Promise<Response>, why: RegExp): Promise<void> {
  const response = await unchanged(t, send);
  expect(await refusalOf(response)).toEqual({ status: 400, error: "invalid_request" });
  const line = t.lines.findLast((each) => each.includes('"request"')) ?? "{}";
  expect(JSON.parse(line).reason).toMatch(why);
}

async function expectConflict(send: () => Promise<Response>): Promise<void> {
  expect(await refusalOf(await unchanged(t, send))).toEqual({ status: 409, error: "conflict" });
}

describe("WebAuthn Level 3: registering a new credential", () => {
  it("§5.4: the options name the domain of the issuer, the person, and what a passkey has to be", async () => {
    const eve = await p.visit();
    const { challenge, ...options } = await p.creationOptions(eve);
    expect(Buffer.from(challenge, "base64url")).toHaveLength(36);
    expect(options).toEqual({
      rp: { id: "localhost", name: "Authgent at localhost:8000" },
      user: {
        id: Buffer.from(eve.person.user.id).toString("base64url"),
        name: eve.person.user.email,
        displayName: "Ada",
      },
      pubKeyCredParams: [-7, -8, -257].map((alg) => ({ type: "public-key", alg })),
      timeout: 300_000,
      attestation: "none",
      excludeCredentials: [],
      authenticatorSelection: {
        residentKey: "preferred",
        requireResidentKey: false,
        userVerification: "required",
      },
      extensions: { credProps: true },
      hints: [],
    });
  });

  it("§5.4.3: a passkey that the person has is named, so that none is made twice on one device", async () => {
    expect(await p.creationOptions(ada)).toMatchObject({
      excludeCredentials: [{ id: hers.id, type: "public-key", transports: ["internal", "hybrid"] }],
    });
  });

  const steps: [string, Misbehaviour, RegExp][] = [
    ["step 7: another type than webauthn.create", { type: "webauthn.get" }, /type/],
    ["step 8: a challenge of nobody's", { challenge: randomBytes(36).toString("base64url") }, /challenge/],
    ["step 8: no challenge", { challenge: "" }, /challenge/],
    ["step 9: another origin", { origin: "https://evil.example" }, /origin/],
    ["step 9: our host on another port", { origin: "http://localhost:8001" }, /origin/],
    ["step 10: a frame of another site", { crossOrigin: true }, /frame/],
    ["step 11: a page above ours", { topOrigin: "https://evil.example" }, /frame/],
    ["step 14: another relying party", { rpId: "evil.example" }, /RP ID/],
    ["step 15: nobody present", { flags: UV }, /present/],
    ["step 16: nobody verified", { flags: UP }, /verified/],
    ["step 17: a backup without eligibility", { flags: UP | UV | BS }, /backed up/],
    ["step 27: an id beside that of the authenticator data", { id: "c29tZWJvZHkgZWxzZQ" }, /another id/],
    ["(§6.1) bytes after the authenticator data", { trailing: Buffer.from([0]) }, /[Ll]eftover/],
  ];
  it.each(steps)("§7.1 %s is refused", async (_, bad, why) => {
    const credential = device().create(await p.creationOptions(ada), bad);
    await expectRefused(() => p.add(ada, credential), why);
  });

  it("§7.1 step 8: a challenge counts once", async () => {
    const eve = await p.visit();
    const options = await p.creationOptions(eve);
    const [first, second] = [device(), device()];
    expect((await p.add(eve, first.create(options))).status).toBe(201);
    await expectConflict(() => p.add(eve, second.create(options)));
    const kept = await listPasskeys(t.ctx, eve.person.user.id);
    expect(kept.map(({ credentialId }) => credentialId)).toEqual([first.id]);
  });

  it.each(["ES256", "Ed25519", "RS256"] as const)("§7.1 step 20: a key for %s is taken", async (alg) => {
    const eve = await p.visit();
    expect(await keptOf(eve, await p.enrol(eve, { alg }))).toMatchObject({
      signCount: 1,
      backupEligible: false,
      backedUp: false,
      transports: ["internal", "hybrid"],
      aaguid: "a1a1a1a1-a1a1-a1a1-a1a1-a1a1a1a1a1a1",
      lastUsedAt: null,
    });
  });

  it("§7.1 step 20: an algorithm that was not asked for is refused", async () => {
    const credential = device({ alg: "ES384" }).create(await p.creationOptions(ada));
    await expectRefused(() => p.add(ada, credential), /alg "-35"/);
  });

  it("§7.1 step 20: a key that is too weak to be used is refused", async () => {
    const weak = device({ alg: "RS256", modulusLength: 1024 }).create(await p.creationOptions(ada));
    await expectRefused(() => p.add(ada, weak), /modulus/);
  });

  it("§7.1 step 24: an attestation that the passkey made of itself is taken", async () => {
    const eve = await p.visit();
    const passkey = device();
    const credential = passkey.create(await p.creationOptions(eve), { attestation: "self" });
    expect((await p.add(eve, credential)).status).toBe(201);
    expect((await p.tryIt(eve, passkey)).status).toBe(200);
  });

  it.each(["packed", "fido-u2f", "tpm", "android-key", "android-safetynet", "apple"])(
    "§7.1 step 24: a %s attestation is refused, and no certificate of it is read",
    async (fmt) => {
      const attestation = { fmt, x5c: Buffer.from("a certificate") };
      const credential = device().create(await p.creationOptions(ada), { attestation });
      await expectRefused(() => p.add(ada, credential), /nobody asked for/);
    },
  );

  it("§7.1 step 13: an attestation object that is none is refused", async () => {
    const credential = device().create(await p.creationOptions(ada));
    const bad = { ...credential, response: { ...credential.response, attestationObject: "AAAA" } };
    await expectRefused(() => p.add(ada, bad), /attestation object/);
  });

  it("§7.1 step 25: a credential id of 1023 bytes is taken, a longer one refused", async () => {
    const eve = await p.visit();
    expect((await p.enrol(eve, { credentialId: randomBytes(1023) })).id).toHaveLength(1364);
    const long = device({ credentialId: randomBytes(1024) }).create(await p.creationOptions(eve));
    const response = await unchanged(t, () => p.add(eve, long));
    expect(await refusalOf(response)).toEqual({ status: 422, error: "validation_failed" });
  });

  it("§7.1 step 26: a credential that is known is refused, to its owner and to anybody else", async () => {
    for (const person of [ada, await p.visit()]) {
      const again = hers.create(await p.creationOptions(person));
      await expectConflict(() => p.add(person, again));
    }
    expect(await keptOf(ada, hers)).toBeDefined();
  });

  it("§7.1 step 27: whether it may be backed up, and is, is kept", async () => {
    const eve = await p.visit();
    const authenticator = await p.enrol(eve, { flags: UP | UV | BE | BS, step: 0 });
    const kept = { backupEligible: true, backedUp: true, signCount: 0 };
    expect(await keptOf(eve, authenticator)).toMatchObject(kept);
  });
});

describe("WebAuthn Level 3: verifying an authentication assertion", () => {
  it("§5.5: the options ask for one passkey of the person, and that it verifies them", async () => {
    const { challenge, ...options } = await p.requestOptions(ada, hers);
    expect(Buffer.from(challenge, "base64url")).toHaveLength(68);
    expect(options).toEqual({
      rpId: "localhost",
      timeout: 300_000,
      userVerification: "required",
      allowCredentials: [{ id: hers.id, type: "public-key", transports: ["internal", "hybrid"] }],
    });
  });

  it("§7.2 step 5: a passkey that was not asked for is refused, though it is the person's", async () => {
    const eve = await p.visit();
    const [asked, other] = [await p.enrol(eve), await p.enrol(eve)];
    const signed = other.get(await p.requestOptions(eve, asked));
    await expectRefused(() => p.sendSignature(eve, signed), /another decision/);
  });

  it("§7.2 step 6: the user handle is the person's, where there is one", async () => {
    const handleOf = ({ person }: Visitor) => Buffer.from(person.user.id).toString("base64url");
    for (const userHandle of [handleOf(ada), ""])
      expect((await p.tryIt(ada, hers, { userHandle })).status).toBe(200);
    const foreign = { userHandle: handleOf(await p.visit()) };
    const signed = hers.get(await p.requestOptions(ada, hers), foreign);
    await expectRefused(() => p.sendSignature(ada, signed), /user handle/);
  });

  const steps: [string, Misbehaviour, RegExp][] = [
    ["step 10: another type than webauthn.get", { type: "webauthn.create" }, /type/],
    [
      "step 11: a challenge of nobody's",
      { challenge: randomBytes(68).toString("base64url") },
      /another decision/,
    ],
    [
      "step 11: the challenge of no decision",
      { challenge: randomBytes(36).toString("base64url") },
      /no decision/,
    ],
    ["step 12: another origin", { origin: "https://evil.example" }, /origin/],
    ["step 13: a frame of another site", { crossOrigin: true }, /frame/],
    ["step 14: a page above ours", { crossOrigin: true, topOrigin: "https://evil.example" }, /top origin/],
    ["step 15: another relying party", { rpId: "evil.example" }, /RP ID/],
    ["step 16: nobody present", { flags: UV }, /present/],
    ["step 17: nobody verified", { flags: UP }, /verified/],
    ["step 18: a backup without eligibility", { flags: UP | UV | BS }, /backed up/],
    ["step 19: an eligibility that was not there", { flags: UP | UV | BE }, /eligibility/],
    ["(§6.1) bytes after the authenticator data", { trailing: Buffer.from([0]) }, /[Ll]eftover/],
  ];
  it.each(steps)("§7.2 %s is refused", async (_, bad, why) => {
    const signed = hers.get(await p.requestOptions(ada, hers), bad);
    await expectRefused(() => p.sendSignature(ada, signed), why);
  });

  it("§7.2 step 11: a challenge counts once", async () => {
    const options = await p.requestOptions(ada, hers);
    expect((await p.sendSignature(ada, hers.get(options))).status).toBe(200);
    await expectConflict(() => p.sendSignature(ada, hers.get(options)));
  });

  it("§7.2 step 19: a passkey that was eligible and says so no longer is refused", async () => {
    const eve = await p.visit();
    const authenticator = await p.enrol(eve, { flags: UP | UV | BE | BS, step: 0 });
    const signed = authenticator.get(await p.requestOptions(eve, authenticator), { flags: UP | UV });
    await expectRefused(() => p.sendSignature(eve, signed), /eligibility/);
  });

  it("§7.2 step 21: a signature of another key is refused", async () => {
    const signed = device().get(await p.requestOptions(ada, hers), { id: hers.id });
    await expectRefused(() => p.sendSignature(ada, signed), /signature/);
  });

  it("§7.2 step 22: a counter that goes back, stands still or is gone is refused", async () => {
    const eve = await p.visit();
    const authenticator = await p.enrol(eve);
    expect((await p.tryIt(eve, authenticator, { signCount: 5 })).status).toBe(200);
    for (const signCount of [4, 5, 0]) {
      const signed = authenticator.get(await p.requestOptions(eve, authenticator), { signCount });
      await expectRefused(() => p.sendSignature(eve, signed), /counter/);
    }
    expect((await p.tryIt(eve, authenticator, { signCount: 6 })).status).toBe(200);
  });

  it("§7.2 step 22: one that never counts is taken as often as it likes", async () => {
    const eve = await p.visit();
    const authenticator = await p.enrol(eve, { step: 0 });
    expect((await p.tryIt(eve, authenticator)).status).toBe(200);
    expect((await p.tryIt(eve, authenticator)).status).toBe(200);
  });

  it("§7.2 step 24: counter and backup state are kept as they are now", async () => {
    const eve = await p.visit();
    const authenticator = await p.enrol(eve, { flags: UP | UV | BE });
    const response = await p.tryIt(eve, authenticator, {
      flags: UP | UV | BE | BS,
      signCount: 4_294_967_295,
    });
    expect(response.status).toBe(200);
    const kept = { signCount: 4_294_967_295, backedUp: true, lastUsedAt: t.ctx.now() };
    expect(await keptOf(eve, authenticator)).toMatchObject(kept);
  });
});
