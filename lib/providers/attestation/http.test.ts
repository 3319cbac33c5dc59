import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type OperatorService, operatorService } from "@/test/support/operator-service";
import { httpAttestation } from "./http";
import { noAttestation } from "./none";

let service: OperatorService;

beforeEach(async () => {
  service = await operatorService();
});

afterEach(() => service.close());

const evidence = { format: "tpm", quote: "AAEC" };
const attest = () =>
  httpAttestation({ url: service.url, secret: undefined, timeoutSeconds: 0.5 }).attest({
    name: "Search",
    evidence,
  });

describe("asking the operator's attestation service", () => {
  it("sends name and evidence as they are, and answers with its judgement", async () => {
    service.answers({ valid: true, level: "hardware" });
    expect(await attest()).toEqual({ valid: true, level: "hardware" });
    expect(service.asked.map(({ body }) => body)).toEqual([{ name: "Search", evidence }]);
  });

  it("believes no level of evidence that is not valid", async () => {
    service.answers({ valid: false, level: "hardware", reason: "stale\nquote" });
    expect(await attest()).toEqual({ valid: false, level: "none", reason: "stale?quote" });
  });
});

describe("evidence that nobody judged is refused", () => {
  const refusal = expect.objectContaining({
    code: "temporarily_unavailable",
    options: expect.objectContaining({ headers: { "retry-after": "5" } }),
  });

  it.each([{ valid: true }, { valid: true, level: "gold" }, { valid: "yes", level: "self" }])(
    "when the answer is %j",
    async (answer) => {
      service.answers(answer);
      await expect(attest()).rejects.toEqual(refusal);
    },
  );

  it("when the service is silent", async () => {
    await expect(attest()).rejects.toEqual(refusal);
  });

  it("when nobody listens", async () => {
    await service.close();
    await expect(attest()).rejects.toEqual(refusal);
  });
});

describe("without a service", () => {
  it("evidence is neither refused nor believed", async () => {
    expect(await noAttestation.attest({ name: "Search", evidence })).toEqual({ valid: true, level: "none" });
  });
});
