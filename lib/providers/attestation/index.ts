import type { Settings } from "@/lib/settings";
import { httpAttestation } from "./http";
import { noAttestation } from "./none";
import type { AttestationProvider } from "./provider";

/** Everyone who may judge evidence, by the value of `AUTHGENT_ATTESTATION_PROVIDER`. To add one: write its file, add its line. */
export const attestationProviders: Readonly<
  Record<Settings["attestationProvider"], (settings: Settings) => AttestationProvider>
> = {
  none: () => noAttestation,
  http: ({ attestationUrl, providerSecret, providerTimeout }) =>
    httpAttestation({ url: attestationUrl, secret: providerSecret, timeoutSeconds: providerTimeout }),
};
