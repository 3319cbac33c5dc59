import { describe, expect, it } from "vitest";
import { BS, type Misbehaviour, softwareAuthenticator, UP, UV } from "@/test/support/authenticator";
import { provenDecision, signDecision } from "@/test/support/decisions";
import { decisionDigest, verifyProofOffline } from "./signed-decision";

const DECISION = {
  issuer: "https://auth.example.com",
  user: "user:01JD",
  approvalId: "approval-1",
  decision: "approve",
  shown: { title: "Send 1 payment of EUR 250.00 to ACME", agent: "search-bot" },
};
const ada = softwareAuthenticator({ origin: DECISION.issuer });
const problemsOf = (check: ReturnType<typeof verifyProofOffline>) => (check.ok ? [] : check.problems);

describe("the digest of a decision", () => {
  it("is the SHA-256 of the canonical JSON of all of it (RFC 8785)", () => {
    // As sha256sum says of {"approval":"approval-1","decision":"approve",…,"user":"user:01JD"}.
    expect(decisionDigest(DECISION).toString("hex")).toBe(
      "577f8fead8f13d5a065e19c26a066f8c60fcc2646df6ae5d708e207299ac9aea",
    );
  });

  it.each([
    ["another server", { issuer: "https://other.example.com" }],
    ["another person", { user: "user:01JE" }],
    ["another question", { approvalId: "approval-2" }],
    ["another answer", { decision: "deny" }],
    ["another amount", { shown: { ...DECISION.shown, title: "Send 1 payment of EUR 2500.00 to ACME" } }],
    ["a line more", { shown: { ...DECISION.shown, reason: "urgent" } }],
    ["nothing shown", { shown: null }],
  ])("is another for %s, and so is what was signed", (_, other) => {
    const decision = { ...DECISION, ...other };
    expect(decisionDigest(decision).equals(decisionDigest(DECISION))).toBe(false);
    const check = verifyProofOffline(provenDecision(ada, DECISION), decision);
    expect(problemsOf(check)).toContain("The statement is not what was shown and decided.");
  });
});

/** As a Chromium with a virtual authenticator signed it on `/me` of a server at this address. */
const FROM_CHROMIUM = {
  statement:
    '{"approval":"passkey zMwR2Gjc2qG0VvvoXOheQC9VsX2emtQ_xQt9QHQmgbw","decision":"try","issuer":"http://localhost:4210","shown":{"sentence":"I am trying this passkey."},"typ":"authgent-decision","user":"user:01M8H7TZNHQAZ9MBBGX5K0WVXF"}',
  credential_id: "zMwR2Gjc2qG0VvvoXOheQC9VsX2emtQ_xQt9QHQmgbw",
  public_key: {
    kty: "EC",
    crv: "P-256",
    x: "TZx5C7jSRkU3dSN69LKm-NYg-lqH2pvGlvgoXHZrBSg",
    y: "VkpcNKT3APlYXaf2tyuDYLxAFFP8slHY-oFs0hLFn2E",
    alg: "ES256",
  },
  authenticator_data: "SZYN5YgOjGh0NBcPZHZgW4_krrmihjLHmVzzuoMdl2MFAAAAAg",
  client_data_json:
    "eyJ0eXBlIjoid2ViYXV0aG4uZ2V0IiwiY2hhbGxlbmdlIjoiVWlYNzJyZTQwYkRsLUp4WkVTU0d1Wk5WMWJ5V1FYamMwaVBSZ00wN3dGMXJDdUNuUFlYbF9HQnRRcl9TVlVaaDNTMi1ydWJfd01jZWtTVy00NGdfbFhrRjhEQSIsIm9yaWdpbiI6Imh0dHA6Ly9sb2NhbGhvc3Q6NDIxMCIsImNyb3NzT3JpZ2luIjpmYWxzZX0",
  signature:
    "MEUCIFQi03XIdrvni5d5EpKB2XAFhfCOBsw3ATYIzjy6-B9yAiEA7sZzOKdTZSkVOdlObk_H_pTY7v2BQXlZf1YelM-e-xI",
};

describe("a proof, without the server", () => {
  it("§7.2: is believed when a browser made it", () => {
    const decision = {
      issuer: "http://localhost:4210",
      user: "user:01M8H7TZNHQAZ9MBBGX5K0WVXF",
      approvalId: `passkey ${FROM_CHROMIUM.credential_id}`,
      decision: "try",
      shown: { sentence: "I am trying this passkey." },
    };
    const check = verifyProofOffline(FROM_CHROMIUM, decision);
    expect(check).toMatchObject({ ok: true, authenticator: { signCount: 2, backupEligible: false } });
    expect(check.ok && check.askedAt.toISOString()).toBe("2026-11-28T14:09:43.000Z");
  });

  it.each(["ES256", "Ed25519", "RS256"] as const)("§7.2: is believed when a %s key signed it", (alg) => {
    const authenticator = softwareAuthenticator({ origin: DECISION.issuer, alg });
    const proof = provenDecision(authenticator, DECISION);
    const check = verifyProofOffline(JSON.parse(JSON.stringify(proof)), DECISION, authenticator.trusted());
    expect(check).toMatchObject({ ok: true, passkey: authenticator.trusted() });
    expect(JSON.parse(proof.statement)).toEqual({
      typ: "authgent-decision",
      issuer: DECISION.issuer,
      user: DECISION.user,
      approval: DECISION.approvalId,
      decision: DECISION.decision,
      shown: DECISION.shown,
    });
  });

  it("says when the server asked", () => {
    const askedAt = new Date("2026-11-28T12:00:00Z");
    const check = verifyProofOffline(provenDecision(ada, DECISION, { askedAt }), DECISION);
    expect(check).toMatchObject({ ok: true, askedAt });
  });

  const steps: [string, Misbehaviour, string][] = [
    ["step 10: another type", { type: "webauthn.create" }, "The browser did not ask for a signature."],
    ["step 12: another origin", { origin: "https://evil.example" }, "It was signed on another site's page."],
    ["step 13: a frame", { crossOrigin: true }, "It was signed in a frame of another site."],
    ["step 14: a page above", { topOrigin: DECISION.issuer }, "It was signed in a frame of another site."],
    ["step 15: another relying party", { rpId: "example.com" }, "The passkey is one for another site."],
    ["step 16: nobody present", { flags: UV }, "Nobody was present."],
    ["step 17: nobody verified", { flags: UP }, "The device did not verify the person."],
    [
      "step 18: a backup without eligibility",
      { flags: UP | UV | BS },
      "The passkey is backed up and may not be.",
    ],
  ];
  it.each(steps)("§7.2 %s is not believed", (_, bad, problem) => {
    const check = verifyProofOffline(provenDecision(ada, DECISION, { bad }), DECISION);
    expect(problemsOf(check)).toEqual([problem]);
  });

  it("§7.2 step 11: a challenge of anything else than a decision is not believed", () => {
    for (const challenge of ["", "AAAA", decisionDigest(DECISION).toString("base64url")]) {
      const check = verifyProofOffline(provenDecision(ada, DECISION, { bad: { challenge } }), DECISION);
      expect(problemsOf(check)).toEqual(["What was signed is not a decision."]);
    }
  });

  it("§7.2 step 11: a statement put beside the signature of another is not believed", () => {
    const other = { ...DECISION, decision: "deny" };
    const proof = { ...signDecision(ada, other), statement: provenDecision(ada, DECISION).statement };
    expect(problemsOf(verifyProofOffline(proof, DECISION))).toEqual([
      "The signed challenge does not begin with the digest of the statement.",
    ]);
  });

  it("§13.1: the id of a credential is not signed, so the trail has to name the passkey", () => {
    const proof = provenDecision(ada, DECISION);
    const eve = softwareAuthenticator({ origin: DECISION.issuer });
    const forged = { ...provenDecision(eve, DECISION), credential_id: proof.credential_id };
    expect(verifyProofOffline(forged, DECISION).ok).toBe(true);
    for (const bad of [forged, { ...proof, credential_id: eve.id }]) {
      expect(problemsOf(verifyProofOffline(bad, DECISION, ada.trusted()))).toEqual([
        "It was signed with another passkey than the trail names.",
      ]);
    }
  });

  it.each<[string, object]>([
    ["no proof", {}],
    ["a member too many", { ...provenDecision(ada, DECISION), more: 1 }],
    ["padding", { ...provenDecision(ada, DECISION), signature: "AAA=" }],
    [
      "a private key",
      { ...provenDecision(ada, DECISION), public_key: { kty: "oct", k: "AAAA", alg: "HS256" } },
    ],
  ])("%s is not in the form of one", (_, proof) => {
    const problem = "The proof is not in the form that a server exports.";
    expect(problemsOf(verifyProofOffline(proof, DECISION))).toEqual([problem]);
  });

  it.each<[string, object, string]>([
    ["client data", { client_data_json: "AAAA" }, "What the browser said cannot be read."],
    ["authenticator data", { authenticator_data: "AAAA" }, "What the authenticator said cannot be read."],
  ])("%s that are none are said to be", (_, bad, problem) => {
    const proof = { ...provenDecision(ada, DECISION), ...bad };
    expect(problemsOf(verifyProofOffline(proof, DECISION))).toEqual([problem]);
  });

  it("a key that is no point of its curve is said to be", () => {
    const proof = provenDecision(ada, DECISION);
    const zero = Buffer.alloc(32).toString("base64url");
    const bad = { ...proof, public_key: { ...proof.public_key, x: zero } };
    expect(problemsOf(verifyProofOffline(bad, DECISION))).toEqual([
      "The key cannot be used: the key is malformed, or its point is not on the curve.",
    ]);
  });

  it("what cannot be spelled cannot have been shown", () => {
    const check = verifyProofOffline(provenDecision(ada, DECISION), { ...DECISION, shown: "\ud800" });
    expect(problemsOf(check)).toEqual(["The statement is not what was shown and decided."]);
  });
});
