import type { Log } from "@/lib/log";
import type { Settings } from "@/lib/settings";
import { httpClaims } from "./http";
import { noClaims } from "./none";
import type { ClaimsProvider } from "./provider";

type Parts = { settings: Settings; log: Log };

/** Every place claims may come from, by the value of `AUTHGENT_CLAIM_ENRICHER`. To add one: write its file, add its line. */
export const claimsProviders: Readonly<Record<Settings["claimEnricher"], (parts: Parts) => ClaimsProvider>> =
  {
    none: () => noClaims,
    http: ({ settings: { claimEnricherUrl, providerSecret, providerTimeout }, log }) =>
      httpClaims({ url: claimEnricherUrl, secret: providerSecret, timeoutSeconds: providerTimeout, log }),
  };
