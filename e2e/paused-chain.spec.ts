import { expect, type Page, test } from "@playwright/test";
import { agentsAt, enter, OPERATED_ENV } from "./support/agents";
import { type RunningServer, startServer } from "./support/server";
import { addVirtualAuthenticator } from "./support/virtual-authenticator";
import { expectAccessible, watch } from "./support/watch";

const BANK = "https://bank.example/api";
const ADA = "ada@people.example";
const EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange";
const CIBA = "urn:openid:params:grant-type:ciba";

type Agent = { client_id: string; client_secret: string };
type Answer = Record<string, unknown> & { access_token: string; auth_req_id: string; approval_url: string };

let server: RunningServer;

test.beforeAll(async () => {
  server = await startServer({ env: OPERATED_ENV });
  const at = agentsAt(server.url);
  await at.person(ADA);
  await at.operate("/resources", {
    resource: BANK,
    name: "ACME Bank",
    scopes: [
      { name: "balance:read", description: "See the balance", risk: "low" },
      { name: "payments:send", description: "Send a payment", risk: "high", approval: "required" },
    ],
  });
});
test.afterAll(() => server.stop());

/** An agent of whoever is signed in on the page, with its secret. */
const agentOf = (page: Page, name: string): Promise<Agent> =>
  page.evaluate(async (name) => {
    const response = await fetch("/agents", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ name, allowed_scopes: ["balance:read", "payments:send"] }),
    });
    return response.json();
  }, name);

async function token(
  { client_id, client_secret }: Agent,
  fields: Record<string, string>,
  headers: Record<string, string> = {},
) {
  const response = await fetch(`${server.url}/token`, {
    method: "POST",
    headers,
    body: new URLSearchParams({ client_id, client_secret, ...fields }),
  });
  const answer: Answer = await response.json();
  return { status: response.status, answer };
}

const claimsOf = (jwt: string): Record<string, unknown> =>
  JSON.parse(Buffer.from(jwt.split(".")[1] ?? "", "base64url").toString());

test("a sub-agent is stopped in the middle of its chain, its owner approves on her phone, and the chain goes on", async ({
  page,
  context,
}) => {
  const problems = watch(context, [new URL(server.url).host]);
  await page.setViewportSize({ width: 390, height: 844 });
  await addVirtualAuthenticator(page);
  await enter(page, server.url, "/me", ADA);
  await page.getByRole("button", { name: "Add a passkey" }).click();
  await page.waitForURL(/done=passkey-added/);
  const orchestrator = await agentOf(page, "orchestrator");
  const payer = await agentOf(page, "payer");

  // The orchestrator has its own yes, and hands the work to its sub-agent, whom policy stops.
  const begun = await token(orchestrator, {
    grant_type: "client_credentials",
    resource: BANK,
    scope: "payments:send",
  });
  expect([begun.status, begun.answer.error_code]).toEqual([400, "approval_required"]);

  await page.goto(begun.answer.approval_url);
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("orchestrator wants to send a payment");
  await expectAccessible(page);
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(390);
  await page.getByRole("button", { name: /^Approve/ }).click();
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("Approved");
  const { auth_req_id } = begun.answer;
  const approved = await token(orchestrator, { grant_type: CIBA, auth_req_id });
  expect(approved.status).toBe(200);

  const onward = await token(orchestrator, {
    grant_type: EXCHANGE,
    subject_token: approved.answer.access_token,
    audience: payer.client_id,
  });
  expect(onward.status).toBe(200);

  const stopped = await token(payer, {
    grant_type: EXCHANGE,
    subject_token: onward.answer.access_token,
    resource: BANK,
    scope: "payments:send",
    binding_message: "The rent of May",
  });
  expect([stopped.status, stopped.answer.error_code]).toEqual([400, "approval_required"]);
  const poll = { grant_type: CIBA, auth_req_id: stopped.answer.auth_req_id };
  const goingOn = token(payer, poll, { prefer: "wait=60" });
  await page.goto(stopped.answer.approval_url);
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("payer wants to send a payment");
  await expect(page.getByText("The rent of May", { exact: true })).toBeVisible();
  await expect(page.getByRole("listitem").filter({ hasText: "orchestrator" })).toBeVisible();
  await page.getByRole("button", { name: /^Approve/ }).click();
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("Approved");

  // The same request goes on: nothing is started anew, and the token says who acted for whom.
  const goneOn = await goingOn;
  expect(goneOn.status).toBe(200);
  expect(claimsOf(goneOn.answer.access_token)).toMatchObject({
    sub: `client:${orchestrator.client_id}`,
    aud: BANK,
    scope: "payments:send",
    act: { sub: `client:${payer.client_id}` },
    approval: { id: stopped.answer.stepup_id },
  });
  expect((await token(payer, poll)).answer.error).toBe("invalid_grant");
  expect(problems()).toEqual([]);
});
