import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type OperatorService, operatorService } from "@/test/support/operator-service";
import { httpPolicy } from "./http";
import type { Decision, PolicyProvider, PolicyRequest } from "./provider";

const ALLOWED: Decision = { effect: "allow", version: "builtin/1" };

let service: OperatorService;

beforeEach(async () => {
  service = await operatorService({ effect: "allow" });
});

afterEach(() => service.close());

const request: PolicyRequest = {
  grantType: "client_credentials",
  clientId: "agnt_1",
  subject: "client:agnt_1",
  actors: [],
  scope: ["search"],
  audience: "https://search.example.com",
};

function decide(asked: PolicyRequest = request, registered: Decision = ALLOWED) {
  const builtin: PolicyProvider = { decide: async () => registered };
  const options = { url: service.url, secret: "0123456789abcdefghij", timeoutSeconds: 0.5 };
  return httpPolicy(options, builtin).decide(asked);
}

describe("asking the operator's policy service", () => {
  it("sends the request in the words of the wire", async () => {
    await decide({
      ...request,
      actors: ["client:agnt_2", "client:agnt_1"],
      delegation: {
        issuedTo: "agnt_1",
        heldScope: ["search", "write"],
        requestedScope: ["search"],
        registeredScope: ["search"],
        mayAct: { sub: "client:agnt_2" },
        registeredMayAct: ["agnt_2"],
        mayUseSubjectToken: true,
        exchangeTargets: [],
        depth: 2,
        maxDepth: 5,
      },
    });
    expect(service.asked).toEqual([
      {
        method: "POST",
        authorization: "Bearer 0123456789abcdefghij",
        type: "application/json",
        body: {
          grant_type: "client_credentials",
          client_id: "agnt_1",
          subject: "client:agnt_1",
          actors: ["client:agnt_2", "client:agnt_1"],
          scope: ["search"],
          audience: "https://search.example.com",
          delegation: {
            issued_to: "agnt_1",
            held_scope: ["search", "write"],
            requested_scope: ["search"],
            registered_scope: ["search"],
            may_act: { sub: "client:agnt_2" },
            registered_may_act: ["agnt_2"],
            may_use_subject_token: true,
            exchange_targets: [],
            depth: 2,
            max_depth: 5,
          },
        },
      },
    ]);
  });

  it("says what the token would be good for in detail, and nothing of it where it says nothing", async () => {
    await decide({ ...request, authorizationDetails: [{ type: "payment", value: 40 }] });
    await decide(request);
    expect(service.asked.map(({ body }) => Object(body).authorization_details)).toEqual([
      [{ type: "payment", value: 40 }],
      undefined,
    ]);
  });

  it("allows what it allows, and names both versions", async () => {
    service.answers({ effect: "allow", version: "2026-11-22" });
    expect(await decide()).toEqual({ effect: "allow", version: "builtin/1 http:2026-11-22" });
  });

  it.each([
    ["allow", "step_up", "step_up"],
    ["step_up", "allow", "step_up"],
    ["step_up", "step_up", "step_up"],
    ["step_up", "deny", "deny"],
  ] as const)("registrations say %s, it says %s: %s", async (registered, effect, expected) => {
    service.answers({ effect });
    const decision = await decide(request, { effect: registered, version: "builtin/1" });
    expect(decision.effect).toBe(expected);
  });

  it("says so where the service names no version", async () => {
    expect(await decide()).toEqual({ effect: "allow", version: "builtin/1 http:unversioned" });
  });

  it("refuses what it refuses, with its reason", async () => {
    service.answers({ effect: "deny", reason: 'Not on "Sundays"', version: "7" });
    expect(await decide()).toEqual({
      effect: "deny",
      version: "builtin/1 http:7",
      denials: [{ code: "unauthorized_client", detail: "policy_denied", description: "Not on 'Sundays'" }],
    });
  });

  it.each([{}, { reason: "" }])("refuses in our words without a reason: %j", async (answer) => {
    service.answers({ effect: "deny", ...answer });
    expect(await decide()).toMatchObject({
      denials: [
        { description: "The policy of this server does not allow this token. Ask its operator why." },
      ],
    });
  });

  it("is not asked about what the registrations refuse: it lifts no limit", async () => {
    const refused: Decision = {
      effect: "deny",
      version: "builtin/1",
      denials: [{ code: "invalid_scope", description: "Ask for less." }],
    };
    expect(await decide(request, refused)).toEqual(refused);
    expect(service.asked).toEqual([]);
  });
});

describe("a policy that cannot be asked has allowed nothing", () => {
  const refusal = expect.objectContaining({
    code: "temporarily_unavailable",
    status: 503,
    options: expect.objectContaining({ headers: { "retry-after": "5" } }),
  });

  it.each([
    ["an effect we cannot follow", { effect: "ask" }],
    ["no effect", { reason: "fine" }],
    ["a condition we do not know", { effect: "allow", obligations: ["mask"] }],
    ["a version that is no word", { effect: "allow", version: "a b" }],
    ["a reason that is no text", { effect: "deny", reason: 1 }],
  ])("%s", async (_, answer) => {
    service.answers(answer);
    await expect(decide()).rejects.toEqual(refusal);
  });

  it("silence", async () => {
    service.handles(() => {});
    await expect(decide()).rejects.toEqual(refusal);
  });

  it("an error of its own", async () => {
    service.handles((_, response) => response.writeHead(500).end('{"effect":"allow"}'));
    await expect(decide()).rejects.toEqual(refusal);
  });

  it("nobody listening", async () => {
    await service.close();
    await expect(decide()).rejects.toEqual(refusal);
  });
});
