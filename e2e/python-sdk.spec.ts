import { execFile } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { expect, type Page, test } from "@playwright/test";
import { findPythonSdk } from "../scripts/python-sdk.mjs";
import { startApp } from "./support/app";
import { ADMIN_ENV, allow } from "./support/person";
import { startServer } from "./support/server";

const SCRIPT = "e2e/compat/python_sdk.py";

/** It is another project's code, so no part of this one: what it sends is in test/spec/authgent-client.test.ts. */
const sdk = findPythonSdk();
let checks = 0;

if (sdk.python) {
  test("the Python SDK of authgent, unmodified, makes each of its calls", async ({ page }) => {
    // The option is for such clients: they look for the person innermost in `act`.
    const questions = await listenForQuestions();
    const server = await startServer({
      env: {
        ...ADMIN_ENV,
        AUTHGENT_DELEGATION_ROOT_IN_ACT: "true",
        AUTHGENT_WEBHOOK_URL: questions.url,
        AUTHGENT_WEBHOOK_HMAC_SECRET: "a-secret-of-24-characters",
      },
    });
    try {
      const held = await refreshTokenOf(page, server.url);
      questions.answeredBy(page, server.url);
      const { code, output } = await python(sdk, [SCRIPT, server.url, ...held]);
      expect(output).not.toContain("not ok");
      expect(code).toBe(0);
      checks = Number(/^1\.\.(\d+)$/m.exec(output)?.[1]);
      expect(output.match(/^ok \d+ - /gm)).toHaveLength(checks);
    } finally {
      await server.stop();
      questions.stop();
    }
  });
}

test(
  sdk.missing ? `the Python SDK is not here: ${sdk.missing}` : "the Python SDK is here, and was run",
  () => {
    if (sdk.missing) {
      test.info().annotations.push({ type: "expected", description: sdk.missing });
      // Whoever names it wants it run.
      expect(process.env.AUTHGENT_PYTHON_SDK).toBeUndefined();
    } else {
      expect(checks).toBeGreaterThan(100);
    }
  },
);

function python({ python: command, env }: Extract<typeof sdk, { python: string }>, args: readonly string[]) {
  return new Promise<{ code: unknown; output: string }>((resolve) => {
    const options = { env: { ...env, NODE_ENV: "production" as const }, timeout: 50_000 };
    execFile(command, args, options, (error, stdout, stderr) =>
      resolve({ code: error ? error.code : 0, output: stdout + stderr }),
    );
  });
}

/** Hears by webhook what agents ask; who is signed in at the page says yes to all but db:drop. */
async function listenForQuestions() {
  let answer: (id: string, verb: "approve" | "deny") => Promise<unknown> = async () => undefined;
  const receiver = createServer(async (request, response) => {
    const { event, id, scope }: Record<string, string> = JSON.parse(await text(request));
    response.writeHead(204).end();
    if (event === "approval.requested" && id) await answer(id, scope === "db:drop" ? "deny" : "approve");
  });
  await new Promise<void>((resolve) => receiver.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(receiver.address() as AddressInfo).port}`,
    answeredBy: (page: Page, server: string) => {
      const headers = { origin: server };
      answer = (id, verb) => page.request.post(`${server}/stepup/${id}/${verb}`, { headers, data: {} });
    },
    stop: () => receiver.close(),
  };
}

/** A confidential client, its secret, and the refresh token that a person gives it in the browser. */
async function refreshTokenOf(page: Page, server: string): Promise<[string, string, string]> {
  const app = await startApp("Notes");
  try {
    const redirectUri = `http://${app.host}/callback`;
    const registration = await fetch(`${server}/register`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({
        client_name: app.name,
        redirect_uris: [redirectUri],
        grant_types: ["authorization_code", "refresh_token"],
        token_endpoint_auth_method: "client_secret_post",
        scope: "db:read",
      }),
    });
    const { client_id, client_secret }: Record<"client_id" | "client_secret", string> =
      await registration.json();
    const verifier = randomBytes(32).toString("base64url");
    const query = new URLSearchParams({
      response_type: "code",
      client_id,
      redirect_uri: redirectUri,
      code_challenge: createHash("sha256").update(verifier).digest("base64url"),
      code_challenge_method: "S256",
      scope: "db:read",
    });
    await allow(page, `${server}/authorize?${query}`, app.name);
    const response = await fetch(`${server}/token`, {
      method: "POST",
      body: new URLSearchParams({
        grant_type: "authorization_code",
        code: new URL(page.url()).searchParams.get("code") ?? "",
        code_verifier: verifier,
        client_id,
        client_secret,
      }),
    });
    const { refresh_token }: { refresh_token: string } = await response.json();
    return [client_id, client_secret, refresh_token];
  } finally {
    app.stop();
  }
}
