import { describe, expect, it } from "vitest";
import { ACR_VALUES, acrOf, PASSKEY_AMR, satisfiesAcr } from "./acr";

const [phr = "", signIn = ""] = ACR_VALUES;

describe("authentication contexts (RFC 9470 §4)", () => {
  it.each([
    [["pwd"], signIn],
    [["pwd", ...PASSKEY_AMR], phr],
    [[], signIn],
  ])("%j amounts to %s", (amr, acr) => expect(acrOf(amr)).toBe(acr));

  it("every sign-in is one, and only a passkey is phishing-resistant", () => {
    expect(satisfiesAcr(["pwd"], [])).toBe(true);
    expect(satisfiesAcr(["pwd"], [signIn])).toBe(true);
    expect(satisfiesAcr(["pwd"], [phr])).toBe(false);
    expect(satisfiesAcr(["pwd"], [phr, signIn])).toBe(true);
    expect(satisfiesAcr(["pwd", ...PASSKEY_AMR], [phr])).toBe(true);
  });
});
