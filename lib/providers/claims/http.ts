import { z } from "zod";
import type { Log } from "@/lib/log";
import { withoutReserved } from "@/lib/oauth/reserved-claims";
import { callProvider, type Service } from "../call";
import type { ClaimsProvider, ClaimsRequest } from "./provider";

const Answer = z.object({ claims: z.record(z.string(), z.unknown()) });

/** Adds the claims that the operator's own service answers with; without an answer the token goes without. */
export function httpClaims(service: Service & { log: Pick<Log, "warn"> }): ClaimsProvider {
  const { log, ...call } = service;
  return {
    async enrich(request) {
      try {
        const { claims } = await callProvider({ ...call, schema: Answer, body: toWire(request) });
        const { kept, dropped } = withoutReserved(claims);
        if (dropped.length > 0) log.warn("claims dropped", { clientId: request.clientId, names: dropped });
        return kept;
      } catch (error) {
        log.warn("claim enricher gave no answer", { clientId: request.clientId, error });
        return {};
      }
    },
  };
}

const toWire = ({ grantType, clientId, subject, scope, audience }: ClaimsRequest) => ({
  grant_type: grantType,
  client_id: clientId,
  subject,
  scope,
  audience,
});
