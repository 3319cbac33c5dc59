import { expect, type Page, test } from "@playwright/test";
import { MCP_TOOL, PAYMENT, pay, tool } from "../test/support/details-types";
import { type App, startApp } from "./support/app";
import { ADMIN_ENV, allow, signIn } from "./support/person";
import { type RunningServer, startServer } from "./support/server";
import { expectAccessible, watch } from "./support/watch";

const OPERATOR_KEY = "operator-key-for-tests-only";
const operator = { "content-type": "application/json", "x-admin-key": OPERATOR_KEY };
const TOKEN_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange";
const BANK = "https://bank.example.com/v1";

/** The payment starts ticked here, the tool does not. */
const TYPES = [
  { ...PAYMENT, risk: "medium" },
  { ...MCP_TOOL, risk: "high" },
];

let server: RunningServer;
let app: App;
let problems: () => readonly string[];

test.beforeAll(async () => {
  server = await startServer({ env: { ...ADMIN_ENV, AUTHGENT_ADMIN_API_KEY: OPERATOR_KEY } });
  const response = await fetch(`${server.url}/resources`, {
    method: "POST",
    headers: operator,
    body: JSON.stringify({
      resource: BANK,
      name: "Example Bank",
      scopes: [{ name: "accounts:read", description: "See your accounts and balances", risk: "low" }],
      authorization_details_types: TYPES,
    }),
  });
  expect(response.status).toBe(201);
});
test.afterAll(() => server.stop());

test.beforeEach(async ({ context }) => {
  app = await startApp("Bookkeeper");
  problems = watch(context, [new URL(server.url).host, app.host]);
});
test.afterEach(() => {
  app.stop();
  expect(problems()).toEqual([]);
});

const ask = (details: readonly object[], more: Record<string, string> = {}) =>
  app.ask(server.url, { resource: BANK, authorization_details: JSON.stringify(details), ...more });

async function open(page: Page, details: readonly object[], more: Record<string, string> = {}) {
  await page.goto(await ask(details, more));
  await signIn(page);
  await page.waitForURL(/\/approve\//);
}

const redeemed = async (page: Page) => {
  await page.waitForURL(/\/callback\?/);
  return (await app.redeem(server.url, new URL(page.url()))).body;
};

/** What an app holds, handed on to a client that the operator lets use the bank. */
async function passOn(token: string, detail: object) {
  const registered = await fetch(`${server.url}/clients`, {
    method: "POST",
    headers: operator,
    body: JSON.stringify({
      client_name: "Shopper",
      token_endpoint_auth_method: "client_secret_post",
      grant_types: [TOKEN_EXCHANGE],
      allowed_resources: [BANK],
    }),
  });
  const { client_id, client_secret } = await registered.json();
  const exchanged = await fetch(`${server.url}/token`, {
    method: "POST",
    body: new URLSearchParams({
      client_id,
      client_secret,
      grant_type: TOKEN_EXCHANGE,
      subject_token: token,
      subject_token_type: "urn:ietf:params:oauth:token-type:access_token",
      authorization_details: JSON.stringify([detail]),
    }),
  });
  expect(exchanged.status).toBe(200);
}

test("Ada reads what would be paid to whom, unticks one of two, and the app gets the other", async ({
  page,
}) => {
  const [rent, shoes] = [pay(40, { reference: "Order 7" }), pay(1250.5, { creditor: "Umbrella Inc." })];
  await open(page, [rent, shoes]);
  await expect(page.getByRole("heading", { level: 1 })).toHaveText(
    "Allow Bookkeeper to use Example Bank for you?",
  );
  const group = page.getByRole("group", { name: "Exactly this" });
  const first = group.getByRole("checkbox", { name: "Pay up to 40 EUR to ACME GmbH" });
  const second = group.getByRole("checkbox", { name: "Pay up to 1,250.5 EUR to Umbrella Inc." });
  await expect(first).toBeChecked();
  await expect(second).toBeChecked();
  // What the sentence does not say stands beside it, a limit that was left open too.
  await expect(first).toHaveAccessibleDescription("Until no limit locations any Reference Order 7");
  await expect(second).toHaveAccessibleDescription("Until no limit locations any");
  await expect(page.getByRole("main")).toContainText("You are asked each time this app connects anew.");
  await page.getByText("Technical names").click();
  await expect(page.getByRole("main")).toContainText('"creditor": "Umbrella Inc."');
  await expectAccessible(page);

  await second.uncheck();
  await page.getByRole("button", { name: "Allow Bookkeeper" }).click();
  const { scope, authorization_details } = await redeemed(page);
  expect([scope, authorization_details]).toEqual(["", [rent]]);
});

test("what can do lasting harm starts unticked, and nothing ticked is no answer", async ({ page }) => {
  const deletion = tool("delete_file", { folders: ["/invoices", "/drafts"] });
  await open(page, [deletion]);
  const box = page
    .getByRole("group", { name: "High risk" })
    .getByRole("checkbox", { name: "Use the tool delete_file" });
  await expect(box).not.toBeChecked();
  await expect(box).toHaveAccessibleDescription("Folders /invoices, /drafts Most rows no limit");
  await expect(page.getByText("Nothing is ticked. Tick at least one line, or cancel.")).toBeVisible();
  await page.getByRole("button", { name: "Allow Bookkeeper" }).click();
  await expect(page.getByRole("alert").filter({ hasText: "Nothing was ticked" })).toBeVisible();
  await expect(page).toHaveTitle(/^Error: Allow Bookkeeper\?/);
  await expectAccessible(page);
  await box.check();
  await page.getByRole("button", { name: "Allow Bookkeeper" }).click();
  expect((await redeemed(page)).authorization_details).toEqual([deletion]);
});

test("Ada decides by keyboard alone", async ({ page }) => {
  await open(page, [pay(40), pay(2, { creditor: "Umbrella Inc." })], { scope: "accounts:read" });
  const focused = () =>
    page.evaluate(() =>
      document.activeElement instanceof HTMLInputElement ? document.activeElement.value : "",
    );
  const second = page.getByRole("checkbox", { name: "Pay up to 2 EUR to Umbrella Inc." });
  for (let presses = 0; presses < 20 && (await focused()) !== "1"; presses += 1)
    await page.keyboard.press("Tab");
  await page.keyboard.press("Space");
  await expect(second).not.toBeChecked();
  const decisions: string[] = [];
  for (let presses = 0; presses < 20 && !decisions.includes("Allow Bookkeeper"); presses += 1) {
    await page.keyboard.press("Tab");
    decisions.push(await page.evaluate(() => document.activeElement?.textContent ?? ""));
  }
  expect(decisions.slice(-2)).toEqual(["Cancel", "Allow Bookkeeper"]);
  await page.keyboard.press("Enter");
  const { scope, authorization_details } = await redeemed(page);
  expect([scope, authorization_details]).toEqual(["accounts:read", [pay(40)]]);
});

test("whatever an app writes is text: no markup, nothing cut, the buttons where they were", async ({
  page,
}) => {
  const markup = '<img src=x onerror="alert(1)"><b>{{7*7}}</b> {creditor}';
  const long = "W".repeat(70);
  let dialogs = 0;
  page.on("dialog", () => {
    dialogs += 1;
  });
  await open(page, [
    pay(1, { creditor: markup }),
    pay(2, { creditor: long, reference: "</label></form><h1>Safe" }),
  ]);
  await expect(page.getByRole("checkbox", { name: `Pay up to 1 EUR to ${markup}` })).toBeVisible();
  await expect(page.getByRole("checkbox", { name: `Pay up to 2 EUR to ${long}` })).toBeVisible();
  await expect(page.getByText("</label></form><h1>Safe", { exact: true })).toBeVisible();
  await expect(page.getByRole("main").locator("img")).toHaveCount(0);
  await expect(page.getByRole("heading", { level: 1 })).toHaveCount(1);
  expect(dialogs).toBe(0);
  const { width } = page.viewportSize() ?? { width: 0 };
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(width);
  await expectAccessible(page);
});

test("my agents tell what an app holds and passed on in detail, and stopping it ends that", async ({
  page,
}, testInfo) => {
  await allow(page, await ask([pay(40, { creditor: "Initech", reference: "Order 7" })]), app.name);
  const body = await redeemed(page);
  await passOn(String(body.access_token), pay(25, { creditor: "Initech", reference: "Order 7" }));
  await page.goto(`${server.url}/me`);
  const entry = page.getByRole("article").first();
  await expect(entry).toContainText("Pay up to 40 EUR to Initech");
  await expect(entry).toContainText("Shopper with Example Bank");
  await expect(entry).toContainText("Pay up to 25 EUR to Initech");
  await expect(entry).not.toContainText("No permission of its own");
  await expect(entry.locator("dl.members dd").filter({ hasText: /^Order 7$/ })).toHaveCount(2);
  await page.screenshot({ path: testInfo.outputPath("my-agents.png"), fullPage: true });
  await expectAccessible(page);
  await entry.getByRole("button", { name: "Stop Bookkeeper" }).click();
  await expect(page.getByRole("status")).toHaveText("Stopped. It gets nothing new from now on.");
  await expect(page.getByRole("main")).not.toContainText("Initech");
  expect((await app.refresh(server.url, String(body.refresh_token))).body.error).toBe("invalid_grant");
});

test.describe("without JavaScript", () => {
  test.use({ javaScriptEnabled: false });

  test("Ada unticks one of two", async ({ page }) => {
    await open(page, [pay(40), pay(2, { creditor: "Umbrella Inc." })]);
    await page.getByRole("checkbox", { name: "Pay up to 40 EUR to ACME GmbH" }).uncheck();
    await page.getByRole("button", { name: "Allow Bookkeeper" }).click();
    expect((await redeemed(page)).authorization_details).toEqual([pay(2, { creditor: "Umbrella Inc." })]);
  });
});

for (const [look, colorScheme, viewport] of [
  ["light, on a desk", "light", { width: 1280, height: 900 }],
  ["dark, on a phone", "dark", { width: 390, height: 844 }],
] as const) {
  test.describe(look, () => {
    test.use({ colorScheme, viewport });

    test("the page is legible and fits", async ({ page }, info) => {
      const details = [pay(40, { reference: "Order 7" }), tool("delete_file")];
      await open(page, details, { scope: "accounts:read" });
      await expectAccessible(page);
      expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(
        viewport.width,
      );
      const path = info.outputPath("consent.png");
      await page.screenshot({ path, fullPage: true });
      await info.attach("consent", { path });
    });
  });
}
