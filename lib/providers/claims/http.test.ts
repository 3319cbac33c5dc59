import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type OperatorService, operatorService } from "@/test/support/operator-service";
import { httpClaims } from "./http";

let service: OperatorService;
let warnings: unknown[][];

beforeEach(async () => {
  service = await operatorService({ claims: {} });
  warnings = [];
});

afterEach(() => service.close());

const log = { warn: (...line: unknown[]) => void warnings.push(line) };

const enrich = () =>
  httpClaims({ url: service.url, secret: undefined, timeoutSeconds: 0.5, log }).enrich({
    grantType: "client_credentials",
    clientId: "agnt_1",
    subject: "client:agnt_1",
    scope: ["search"],
    audience: "https://search.example.com",
  });

describe("asking the operator's claim enricher", () => {
  it("sends the token's outlines in the words of the wire, and adds what it answers", async () => {
    service.answers({ claims: { roles: ["reader"], tenant: { id: 7 } } });
    expect(await enrich()).toEqual({ roles: ["reader"], tenant: { id: 7 } });
    expect(service.asked.map(({ body }) => body)).toEqual([
      {
        grant_type: "client_credentials",
        client_id: "agnt_1",
        subject: "client:agnt_1",
        scope: ["search"],
        audience: "https://search.example.com",
      },
    ]);
    expect(warnings).toEqual([]);
  });

  it("leaves out what it may not say, and tells the operator", async () => {
    service.answers({ claims: { tenant: "acme", exp: 9_999_999_999, human_root: true } });
    expect(await enrich()).toEqual({ tenant: "acme" });
    expect(warnings).toEqual([["claims dropped", { clientId: "agnt_1", names: ["exp", "human_root"] }]]);
  });
});

describe("an enricher that cannot be asked adds nothing, with one line in the log", () => {
  const warned = (reason: string) => [
    [
      "claim enricher gave no answer",
      { clientId: "agnt_1", error: expect.objectContaining({ name: "ProviderError", reason }) },
    ],
  ];

  it.each([
    ["no claims", {}],
    ["claims that are a list", { claims: ["admin"] }],
    ["nothing", null],
  ])("%s", async (_, answer) => {
    service.answers(answer);
    expect(await enrich()).toEqual({});
    expect(warnings).toEqual(warned("malformed"));
  });

  it("silence", async () => {
    service.handles(() => {});
    expect(await enrich()).toEqual({});
    expect(warnings).toEqual(warned("timeout"));
  });

  it("nobody listening", async () => {
    await service.close();
    expect(await enrich()).toEqual({});
    expect(warnings).toEqual(warned("unreachable"));
  });
});
