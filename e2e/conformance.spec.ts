import { expect, test } from "@playwright/test";
import { type Check, installConformance, runConformance, startTokenProxy } from "./support/conformance";
import { connectAgent } from "./support/mcp-client";
import { ADMIN_ENV, allow } from "./support/person";
import { type RunningServer, startServer } from "./support/server";

const CALLBACK_PORT = "3777";

let server: RunningServer;

test.beforeAll(async () => {
  test.setTimeout(360_000);
  await installConformance();
  server = await startServer({ env: ADMIN_ENV });
});
test.afterAll(() => server?.stop());

test("the authorization server suite passes: metadata, CIMD, authorization code grant", async ({ page }) => {
  const clientId = await registerPublicClient("Conformance suite");
  const about = ["--url", server.url, "--client-id", clientId, "--resource", `${server.url}/mcp`];
  const { checks, output, exitCode } = await runConformance(
    ["authorization", ...about, "--port", CALLBACK_PORT],
    (url) => allow(page, url, "Conformance suite"),
  );
  const passed = checks.filter(({ status }) => status === "SUCCESS").map(({ id }) => id);
  expect(passed.sort(), output).toEqual([
    "authorization-code-grant",
    "authorization-server-metadata",
    "authorization-server-metadata-cimd",
  ]);
  expect(checks).toHaveLength(3);
  expect(exitCode).toBe(0);
});

/**
 * What the server suite asks of every server, and how ours answers. The suite's other scenarios exercise features
 * through tools, prompts and resources of its own reference server; /mcp has one tool, so they fail, by name.
 */
const EXPECTED: Record<string, Expected> = {
  "2025-11-25": {
    passing: {
      "server-initialize": ["server-initialize", "wire-schema-valid"],
      ping: ["ping", "wire-schema-valid"],
      "tools-list": ["tools-list", "tools-name-format", "wire-schema-valid"],
      "dns-rebinding-protection": ["localhost-host-rebinding-rejected", "localhost-host-valid-accepted"],
    },
    needsFixtures: [],
    notOffered: [
      ...["completion-complete", "logging-set-level", "json-schema-2020-12"],
      ...["elicitation-sep1034-defaults", "elicitation-sep1330-enums"],
      ...["prompts-get-embedded-resource", "prompts-get-simple", "prompts-get-with-args"],
      ...["prompts-get-with-image", "prompts-list"],
      ...["resources-list", "resources-read-binary", "resources-read-text"],
      ...["resources-subscribe", "resources-templates-read", "resources-unsubscribe"],
      ...["tools-call-audio", "tools-call-elicitation", "tools-call-embedded-resource", "tools-call-error"],
      ...["tools-call-image", "tools-call-mixed-content", "tools-call-sampling", "tools-call-simple-text"],
      ...["tools-call-with-logging", "tools-call-with-progress"],
    ],
  },
  "2026-07-28": {
    passing: {
      "server-stateless": [
        "sep-2575-discover-capabilities-match-handlers",
        "sep-2575-http-server-error-jsonrpc-id",
        "sep-2575-http-server-header-mismatch-400",
        "sep-2575-http-server-meta-invalid-400",
        "sep-2575-http-server-method-not-found-404",
        "sep-2575-http-server-method-not-found-404-initialize",
        "sep-2575-http-server-method-not-found-404-logging-setlevel",
        "sep-2575-http-server-method-not-found-404-ping",
        "sep-2575-http-server-method-not-found-404-resources-subscribe",
        "sep-2575-http-server-method-not-found-404-resources-unsubscribe",
        "sep-2575-http-server-unsupported-version-400",
        "sep-2575-request-meta-client-info-optional",
        "sep-2575-request-meta-invalid-missing-client-capabilities",
        "sep-2575-request-meta-invalid-missing-meta",
        "sep-2575-request-meta-invalid-missing-protocol-version",
        "sep-2575-server-declares-prompts-in-discover",
        "sep-2575-server-honors-notification-filter",
        "sep-2575-server-identifies-in-result-meta",
        "sep-2575-server-implements-discover",
        "sep-2575-server-sends-subscription-ack",
        "sep-2575-server-tags-subscription-id",
        "sep-2575-server-unsupported-version-error",
      ],
      "http-header-validation": [
        "sep-2243-header-name-case-insensitive",
        "sep-2243-server-accepts-whitespace-header-value",
        "sep-2243-server-reject-error-code",
        "sep-2243-server-reject-invalid-headers",
        "wire-schema-valid",
      ],
      "dns-rebinding-protection": ["localhost-host-rebinding-rejected", "localhost-host-valid-accepted"],
      "tools-list": ["tools-list", "tools-name-format", "wire-schema-valid"],
      caching: [
        "sep-2549-cache-scope-valid",
        "sep-2549-tools-list-caching-hints",
        "sep-2549-ttl-non-negative",
        "wire-schema-valid",
      ],
    },
    needsFixtures: [
      "caching:sep-2549-prompts-list-caching-hints",
      "caching:sep-2549-resources-list-caching-hints",
      "caching:sep-2549-resources-templates-list-caching-hints",
      "server-stateless:sep-2575-http-server-no-independent-requests-on-stream",
      "server-stateless:sep-2575-missing-capability-http-400",
      "server-stateless:sep-2575-server-no-log-without-loglevel",
      "server-stateless:sep-2575-server-rejects-undeclared-capability",
    ],
    notOffered: [
      ...["completion-complete", "http-custom-header-server-validation", "json-schema-2020-12"],
      ...["input-required-result-basic-elicitation", "input-required-result-basic-list-roots"],
      ...["input-required-result-basic-sampling", "input-required-result-capability-check"],
      ...["input-required-result-multi-round", "input-required-result-multiple-input-requests"],
      ...["input-required-result-non-tool-request", "input-required-result-request-state"],
      ...["input-required-result-result-type", "input-required-result-tampered-state"],
      ...["prompts-get-embedded-resource", "prompts-get-simple", "prompts-get-with-args"],
      ...["prompts-get-with-image", "prompts-list"],
      ...["resources-list", "resources-read-binary", "resources-read-text", "resources-templates-read"],
      ...["tasks-capability-negotiation", "tasks-dispatch-and-envelope", "tasks-lifecycle"],
      ...["tasks-mrtr-composition", "tasks-mrtr-input", "tasks-request-headers"],
      ...["tasks-request-state-removal", "tasks-required-task-error", "tasks-wire-fields"],
      ...["tools-call-audio", "tools-call-embedded-resource", "tools-call-error", "tools-call-image"],
      ...["tools-call-mixed-content", "tools-call-simple-text", "tools-call-with-progress"],
    ],
  },
};

type Expected = {
  /** The ids of the checks that pass, by scenario. */
  passing: Record<string, readonly string[]>;
  /** Checks in those scenarios that look for a tool, prompt or resource of the reference server. */
  needsFixtures: readonly string[];
  /** Scenarios about what /mcp does not have. */
  notOffered: readonly string[];
};

for (const [revision, { passing, needsFixtures, notOffered }] of Object.entries(EXPECTED)) {
  test(`/mcp passes what the server suite asks of every server of ${revision}`, async ({ page }) => {
    const agent = await connectAgent({
      url: `${server.url}/mcp`,
      app: "Conformance proxy",
      registration: "cimd",
      protocol: "2026-07-28",
      person: (url) => allow(page, url, "Conformance proxy"),
    });
    const proxy = await startTokenProxy(`${server.url}/mcp`, agent.tokens().access_token);
    const { checks } = await runConformance(["server", "--url", proxy.url, "--requirements", revision]);
    proxy.stop();
    await agent.close();

    const judged = Object.fromEntries(
      Object.keys(passing).map((scenario) => [scenario, ids(checks, "SUCCESS", scenario)]),
    );
    expect(judged).toEqual(passing);
    const failed = checks.filter(({ status }) => status === "FAILURE");
    const inJudged = failed.filter(({ scenario }) => scenario in passing);
    expect(unique(inJudged.map(({ scenario, id }) => `${scenario}:${id}`))).toEqual(needsFixtures);
    const elsewhere = failed.filter(({ scenario }) => !(scenario in passing));
    expect(unique(elsewhere.map(({ scenario }) => scenario))).toEqual(unique(notOffered));
  });
}

/** A public client for the suite's callback, by dynamic registration (RFC 7591 §3). */
async function registerPublicClient(name: string): Promise<string> {
  const response = await fetch(`${server.url}/register`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({
      client_name: name,
      redirect_uris: [`http://127.0.0.1:${CALLBACK_PORT}/callback`],
      token_endpoint_auth_method: "none",
    }),
  });
  expect(response.status).toBe(201);
  const { client_id }: { client_id: string } = await response.json();
  return client_id;
}

const ids = (checks: readonly Check[], status: string, scenario: string): string[] =>
  unique(
    checks.filter((check) => check.status === status && check.scenario === scenario).map(({ id }) => id),
  );

/** A check that runs for several requests is recorded once for each. */
const unique = (names: readonly string[]): string[] => [...new Set(names)].sort();
