import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { isOAuthError } from "@/lib/errors";
import { canonicalJson, type Json } from "@/lib/oauth/canonical-json";
import {
  type Decision,
  type DecisionProof,
  decisionProof,
  verifyProofOffline,
} from "@/lib/oauth/signed-decision";
import {
  type Assertion,
  assertionOptions,
  digestShown,
  type Question,
  verifyDecisionAssertion,
} from "@/lib/services/signed-decisions";
import type { Person } from "@/lib/services/webauthn";
import {
  type Algorithm,
  type Authenticator,
  BE,
  BS,
  softwareAuthenticator,
  UP,
  UV,
} from "@/test/support/authenticator";
import { connect } from "@/test/support/client";
import { type TestContext, testContext } from "@/test/support/context";
import { provenDecision } from "@/test/support/decisions";
import { passkeysOf } from "@/test/support/passkeys";

const ALGORITHMS = ["ES256", "Ed25519", "RS256"] as const satisfies readonly Algorithm[];
/** What a page may show, and PostgreSQL could keep. */
const shownAnything = fc.jsonValue({ maxDepth: 3 }).map((value) => value as Json);

describe("a proof in which anything was changed", () => {
  const decision: Decision = {
    issuer: "https://auth.example.com",
    user: "user:01JD",
    approvalId: "approval-1",
    decision: "approve",
    shown: { title: "Send 1 payment of EUR 250.00 to ACME", lines: ["search-bot", "on behalf of Ada"] },
  };

  describe.each(ALGORITHMS)("%s", (alg) => {
    const authenticator = softwareAuthenticator({ origin: decision.issuer, alg });
    const proof = provenDecision(authenticator, decision);
    const isProven = (changed: unknown) => verifyProofOffline(changed, decision, authenticator.trusted()).ok;

    it("is proven as it is", () => {
      expect(isProven(proof)).toBe(true);
    });

    it.each(["credential_id", "authenticator_data", "client_data_json", "signature"] as const)(
      "%s: any bit of it counts",
      (member) => {
        const bytes = Buffer.from(proof[member], "base64url");
        for (let bit = 0; bit < bytes.length * 8; bit += 1) {
          const changed = { ...proof, [member]: withBit(bytes, bit).toString("base64url") };
          expect(isProven(changed), `bit ${bit}`).toBe(false);
        }
      },
    );

    it("public_key: any character of it counts", () => {
      const { public_key } = proof;
      for (const [member, text] of Object.entries(public_key)) {
        for (const other of withOtherCharacters(text))
          expect(isProven({ ...proof, public_key: { ...public_key, [member]: other } }), other).toBe(false);
      }
    });

    it("statement: any character of it counts", () => {
      for (const statement of withOtherCharacters(proof.statement))
        expect(isProven({ ...proof, statement }), statement).toBe(false);
    });
  });

  it("says whatever was shown, and nothing else", () => {
    const authenticator = softwareAuthenticator({ origin: decision.issuer });
    fc.assert(
      fc.property(shownAnything, shownAnything, (shown, other) => {
        const proof = provenDecision(authenticator, { ...decision, shown });
        expect(verifyProofOffline(proof, { ...decision, shown }).ok).toBe(true);
        const isSame = canonicalJson(shown) === canonicalJson(other);
        expect(verifyProofOffline(proof, { ...decision, shown: other }).ok).toBe(isSame);
      }),
    );
  });
});

describe("the server and the proof without it agree", () => {
  let t: TestContext;
  let person: Person;
  let authenticators: Authenticator[];

  beforeAll(async () => {
    t = await testContext();
    const p = passkeysOf(t, connect(t));
    const ada = await p.visit();
    authenticators = [];
    // Their counters stand still, and they may be backed up: what the server alone remembers is not in question here.
    for (const alg of ALGORITHMS)
      authenticators.push(await p.enrol(ada, { alg, step: 0, flags: UP | UV | BE }));
    person = { by: await p.signedIn(ada), browser: ada.browser };
  });

  const questions = fc.record({ approvalId: fc.string(), decision: fc.string(), shown: shownAnything });
  const anyOf = fc.integer({ min: 0, max: ALGORITHMS.length - 1 });

  const ask = async (question: Question) => {
    const digest = digestShown(t.ctx, person, question);
    const { challenge } = await assertionOptions(t.ctx, person, { question, digest });
    return { challenge, rpId: "localhost" };
  };

  /** What the server says: the proof it keeps, or undefined for a refusal. */
  const serverVerdict = (question: Question, assertion: Assertion): Promise<DecisionProof | undefined> =>
    verifyDecisionAssertion(t.ctx, person, { question, assertion }).catch((error) => {
      if (isOAuthError(error)) return undefined;
      throw error;
    });

  const decisionOf = (question: Question): Decision => ({
    issuer: t.ctx.settings.serverUrl,
    user: `user:${person.by.user.id}`,
    ...question,
  });

  it("on what was signed as it should be, and on what was not", async () => {
    const misbehaviours = fc.record({
      // Whatever the authenticator says of itself but that extensions follow.
      flags: fc.integer({ min: 0, max: 0x7f }).map((flags) => flags | BE),
      crossOrigin: fc.constantFrom(false, false, true),
      origin: fc.constantFrom("http://localhost:8000", "http://localhost:8000", "https://evil.example"),
      rpId: fc.constantFrom("localhost", "localhost", "evil.example"),
      type: fc.constantFrom("webauthn.get", "webauthn.get", "webauthn.create"),
    });
    const honest = { flags: UP | UV | BE | BS };
    let believed = 0;
    await fc.assert(
      fc.asyncProperty(
        questions,
        anyOf,
        fc.oneof(fc.constant(honest), misbehaviours),
        async (question, index, bad) => {
          const authenticator = authenticators[index] as Authenticator;
          const assertion = assertionOf(authenticator.get(await ask(question), bad));
          const kept = await serverVerdict(question, assertion);
          const unseen = decisionProof(decisionOf(question), signedOf(authenticator, assertion));
          const check = verifyProofOffline(unseen, decisionOf(question), authenticator.trusted());
          expect(check.ok).toBe(kept !== undefined);
          if (kept) {
            expect(kept).toEqual(unseen);
            believed += 1;
          }
        },
      ),
      { numRuns: 60 },
    );
    expect(believed).toBeGreaterThan(10);
  });

  it("on anything that was changed on its way: the server refuses it, and takes the original afterwards", async () => {
    const members = fc.constantFrom("clientDataJson", "authenticatorData", "signature", "id");
    await fc.assert(
      fc.asyncProperty(anyOf, members, fc.nat(), async (index, member, place) => {
        const authenticator = authenticators[index] as Authenticator;
        const question = { approvalId: "a", decision: "approve", shown: "Send 1 payment" };
        const assertion = assertionOf(authenticator.get(await ask(question)));
        const bytes = Buffer.from(assertion[member] as string, "base64url");
        const changed = withBit(bytes, place % (bytes.length * 8)).toString("base64url");
        expect(await serverVerdict(question, { ...assertion, [member]: changed })).toBe(undefined);
        expect(await serverVerdict(question, assertion)).toBeDefined();
      }),
      { numRuns: 60 },
    );
  });
});

function withBit(bytes: Buffer, bit: number): Buffer {
  const changed = Buffer.from(bytes);
  changed.writeUInt8(changed.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
  return changed;
}

/** The text with each of its characters changed, one at a time. */
const withOtherCharacters = (text: string): string[] =>
  Array.from(text, (character, at) => {
    const other = String.fromCharCode(character.charCodeAt(0) ^ 1);
    return text.slice(0, at) + other + text.slice(at + 1);
  });

const assertionOf = ({ id, response }: ReturnType<Authenticator["get"]>): Assertion => ({
  id,
  clientDataJson: response.clientDataJSON,
  authenticatorData: response.authenticatorData,
  signature: response.signature,
});

const signedOf = (authenticator: Authenticator, assertion: Assertion) => ({
  credential_id: assertion.id,
  public_key: authenticator.jwk(),
  authenticator_data: assertion.authenticatorData,
  client_data_json: assertion.clientDataJson,
  signature: assertion.signature,
});
