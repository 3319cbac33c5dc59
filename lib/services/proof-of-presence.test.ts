import { describe, expect, it } from "vitest";
import { connect } from "@/test/support/client";
import { testContext } from "@/test/support/context";
import { passkeysOf } from "@/test/support/passkeys";
import { proofOfPresence } from "./proof-of-presence";

describe("what a person has to do before they answer (D30)", () => {
  it.each([
    { seconds: 300, low: "ok", medium: "ok", high: "ok" },
    { seconds: 301, low: "ok", medium: "ok", high: "sign_in_again" },
    { seconds: 1800, low: "ok", medium: "ok", high: "sign_in_again" },
    { seconds: 1801, low: "sign_in_again", medium: "sign_in_again", high: "sign_in_again" },
  ])("$seconds seconds after the sign-in, without a passkey", async ({ seconds, ...expected }) => {
    const t = await testContext();
    const p = passkeysOf(t, connect(t));
    const by = await p.signedIn(await p.visit());
    t.advance(seconds);
    for (const risk of ["low", "medium", "high"] as const)
      expect({ risk, presence: await proofOfPresence(t.ctx, by, risk) }).toEqual({
        risk,
        presence: expected[risk],
      });
  });

  it.each([0, 1801])(
    "%d seconds after the sign-in, high risk asks for the passkey of whoever has one",
    async (seconds) => {
      const t = await testContext();
      const p = passkeysOf(t, connect(t));
      const ada = await p.visit();
      await p.enrol(ada);
      const by = await p.signedIn(ada);
      t.advance(seconds);
      expect(await proofOfPresence(t.ctx, by, "high")).toBe("passkey");
      expect(await proofOfPresence(t.ctx, by, "low")).toBe(seconds === 0 ? "ok" : "sign_in_again");
    },
  );
});
