import type { Settings } from "@/lib/settings";
import { builtinPolicy } from "./builtin";
import { httpPolicy } from "./http";
import type { PolicyProvider } from "./provider";

/** Every policy an operator may choose, by the value of `AUTHGENT_POLICY_PROVIDER`. To add one: write its file, add its line. */
export const policyProviders: Readonly<
  Record<Settings["policyProvider"], (settings: Settings) => PolicyProvider>
> = {
  builtin: () => builtinPolicy,
  http: ({ policyUrl, providerSecret, providerTimeout }) =>
    httpPolicy({ url: policyUrl, secret: providerSecret, timeoutSeconds: providerTimeout }, builtinPolicy),
};
