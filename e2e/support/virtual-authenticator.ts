import type { CDPSession, Page } from "@playwright/test";

export type VirtualAuthenticator = {
  /** Whether its owner is recognized when it asks for them. */
  recognizes(owner: boolean): Promise<void>;
  /** How many passkeys it holds. */
  credentials(): Promise<number>;
};

/** Gives a browser an authenticator of its own, as a laptop with a fingerprint reader has one (WebAuthn Level 3 §11). */
export async function addVirtualAuthenticator(page: Page): Promise<VirtualAuthenticator> {
  const cdp: CDPSession = await page.context().newCDPSession(page);
  await cdp.send("WebAuthn.enable");
  const { authenticatorId } = await cdp.send("WebAuthn.addVirtualAuthenticator", {
    options: {
      protocol: "ctap2",
      transport: "internal",
      hasResidentKey: true,
      hasUserVerification: true,
      isUserVerified: true,
      automaticPresenceSimulation: true,
    },
  });
  return {
    recognizes: (isUserVerified) =>
      cdp.send("WebAuthn.setUserVerified", { authenticatorId, isUserVerified }).then(() => {}),
    credentials: async () =>
      (await cdp.send("WebAuthn.getCredentials", { authenticatorId })).credentials.length,
  };
}
