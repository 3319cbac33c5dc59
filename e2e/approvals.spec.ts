import { type BrowserContext, expect, type Locator, type Page, test } from "@playwright/test";
import postgres from "postgres";
import { agentOf, agentsAt, enter, OPERATED_ENV } from "./support/agents";
import { createDatabase } from "./support/database";
import { type RunningServer, startServer } from "./support/server";
import { addVirtualAuthenticator } from "./support/virtual-authenticator";
import { expectAccessible, watch } from "./support/watch";

const BANK = "https://bank.example/api";
const FILES = { scope: "files:delete", resource: BANK };
const PAYMENT = {
  type: "payment",
  words: "Send {count} payment of {amount} EUR to {payee}",
  risk: "high",
  schema: {
    type: "object",
    properties: {
      count: { type: "integer", title: "Payments" },
      amount: { type: "number", title: "Amount", narrowing: "at_most" },
      payee: { type: "string", title: "Payee" },
    },
    required: ["count", "amount", "payee"],
    additionalProperties: false,
  },
};
const payment = {
  resource: BANK,
  authorization_details: [{ type: "payment", count: 1, amount: 250, payee: "ACME" }],
  binding_message: "Invoice 7 is due today",
};
const ADA = "ada@people.example";
const BOB = "bob@people.example";
const CLEO = "cleo@people.example";
const EVE = "eve@people.example";

let server: RunningServer;
let at: ReturnType<typeof agentsAt>;
let database: Awaited<ReturnType<typeof createDatabase>>;

test.beforeAll(async () => {
  database = await createDatabase();
  server = await startServer({ databaseUrl: database.url, env: OPERATED_ENV });
  at = agentsAt(server.url);
  await at.person(ADA);
  await at.person(EVE);
  for (const email of [BOB, CLEO]) await at.person(email, { groups: ["finance"] });
  await at.operate("/resources", {
    resource: BANK,
    name: "ACME Bank",
    scopes: [
      { name: "files:delete", description: "Delete files of a project", risk: "medium" },
      { name: "books:close", description: "Close the books", approvers: ["group:finance"], quorum: 2 },
    ],
    authorization_details_types: [PAYMENT],
  });
});
test.afterAll(async () => {
  await server.stop();
  await database.drop();
});

let problems: () => readonly string[];
const watchOver = (context: BrowserContext) => {
  problems = watch(context, [new URL(server.url).host]);
};
test.beforeEach(({ context }) => watchOver(context));
test.afterEach(() => expect(problems()).toEqual([]));

const title = (page: Page): Locator => page.getByRole("heading", { level: 1 });
const approve = (page: Page): Locator => page.getByRole("button", { name: /^Approve/ });
const deny = (page: Page): Locator => page.getByRole("button", { name: "Deny", exact: true });

/** Ada, signed in, and an agent of hers. */
async function adaAndBot(page: Page, name = "search-bot"): Promise<string> {
  await enter(page, server.url, "/me", ADA);
  return agentOf(page, name);
}

/** Somebody else, in a browser of their own. */
async function elsewhere(page: Page, email: string, path: string): Promise<Page> {
  const context = await page.context().browser()?.newContext();
  if (!context) throw new Error("a page has a browser");
  const other = await context.newPage();
  await enter(other, server.url, path, email);
  return other;
}

const pathOf = ({ approval_url }: { approval_url: string }): string => new URL(approval_url).pathname;

/** Looks at the page in both themes with axe. */
async function expectBothThemes(page: Page) {
  for (const colorScheme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme });
    await expectAccessible(page);
  }
}

test("Ada approves a payment on her phone: she sees exactly what runs, and her passkey signs it", async ({
  page,
}) => {
  await page.setViewportSize({ width: 320, height: 640 });
  await addVirtualAuthenticator(page);
  const bot = await adaAndBot(page);
  await page.getByRole("button", { name: "Add a passkey" }).click();
  await page.waitForURL(/done=passkey-added/);

  const asked = await at.ask(bot, payment);
  await page.goto(asked.approval_url);
  await expect(title(page)).toHaveText("search-bot wants to send 1 payment of 250 EUR to ACME");
  await expect(page.getByText("Invoice 7 is due today", { exact: true })).toBeVisible();
  await expect(page.getByText("Nobody verified them.")).toBeVisible();
  await expect(page.getByText("High risk", { exact: true })).toBeVisible();
  await expect(page.getByText(asked.binding_code, { exact: true })).toBeVisible();
  await expect(page.getByRole("main")).toContainText(`Owned by ${ADA}`);
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(320);
  await expectBothThemes(page);

  await expect(approve(page)).toHaveText("Approve: send 1 payment of 250 EUR to ACME");
  await approve(page).click();
  await expect(title(page)).toHaveText("Approved");
  await expect(page.getByText(/^You approved it/)).toBeVisible();
  // What is of high risk is asked each time.
  await expect(page.getByRole("button", { name: "Allow this from now on" })).toHaveCount(0);
  await expectBothThemes(page);
});

test("a device that does not recognize her signs nothing, and she is told", async ({ page }) => {
  const authenticator = await addVirtualAuthenticator(page);
  const bot = await adaAndBot(page);
  await page.getByRole("button", { name: "Add a passkey" }).click();
  await page.waitForURL(/done=passkey-added/);
  const asked = await at.ask(bot, payment);
  await page.goto(asked.approval_url);
  await authenticator.recognizes(false);
  await approve(page).click();
  await expect(page.getByRole("main").getByRole("alert")).toContainText("Nothing was done: you cancelled");
  await expect(title(page)).toContainText("wants to");
  await deny(page).click();
  await expect(title(page)).toHaveText("Refused");
});

test("with the keyboard alone: no comes first, and Enter in the number says yes", async ({ page }) => {
  const bot = await adaAndBot(page);
  const asked = await at.ask(bot, { ...FILES, number_matching: true });
  await page.goto(asked.approval_url);
  await expect(page.getByText(asked.binding_code, { exact: true })).toHaveCount(0);
  const reached: string[] = [];
  const number = page.getByLabel("The two digits that the agent shows");
  await number.focus();
  for (let presses = 0; presses < 2; presses += 1) {
    await page.keyboard.press("Tab");
    reached.push(await page.evaluate(() => document.activeElement?.textContent ?? ""));
  }
  expect(reached).toEqual(["Deny", "Approve: delete files of a project"]);
  await number.focus();
  await page.keyboard.type(asked.binding_code === "10" ? "11" : "10");
  await page.keyboard.press("Enter");
  await expect(page.getByRole("main").getByRole("alert")).toContainText("That is not the number");
  await expectAccessible(page);
  await number.focus();
  await page.keyboard.type(asked.binding_code);
  await page.keyboard.press("Enter");
  await expect(title(page)).toHaveText("Approved");
});

test("without JavaScript a request of medium risk is approved, and allowed from now on, and stopped", async ({
  browser,
  page,
}) => {
  const bot = await adaAndBot(page, "file-bot");
  const context = await browser.newContext({ javaScriptEnabled: false });
  watchOver(context);
  const plain = await context.newPage();
  const asked = await at.ask(bot, FILES);
  await enter(plain, server.url, "/inbox", ADA);
  await plain.getByRole("link", { name: "file-bot wants to delete files of a project" }).click();
  await approve(plain).click();
  await expect(title(plain)).toHaveText("Approved");
  await plain.getByLabel("How many times").fill("2");
  await plain.getByRole("button", { name: "Allow this from now on" }).click();
  await expect(plain.getByRole("status")).toContainText("From now on you are not asked for this: 2 times");

  const second = await at.ask(bot, FILES);
  await plain.goto(second.approval_url);
  await expect(plain.getByRole("main")).toContainText("By what was allowed from now on");
  await plain.goto(`${server.url}/me`);
  await expect(plain.locator("#standing")).toContainText("Used 1 of 2");
  await expectAccessible(page);
  await plain.getByRole("button", { name: "Ask me each time" }).click();
  await expect(plain.getByRole("status")).toHaveText("Done. You are asked each time again.");
  await plain.goto((await at.ask(bot, FILES)).approval_url);
  await expect(title(plain)).toHaveText("file-bot wants to delete files of a project");
  expect(asked.id).not.toBe(second.id);
  await context.close();
});

test("two of three: the first yes counts, the second decides, and each sees who said so", async ({
  page,
}) => {
  const bot = await adaAndBot(page);
  const asked = await at.ask(bot, { scope: "books:close", resource: BANK });
  const bob = await elsewhere(page, BOB, pathOf(asked));
  await expect(bob.getByText("2 people have to approve; 0 did so far.")).toBeVisible();
  await approve(bob).click();
  await expect(title(bob)).toHaveText("Your yes counts, and others have to say it too");
  const cleo = await elsewhere(page, CLEO, pathOf(asked));
  await expect(cleo.getByText(`${BOB} said yes`)).toBeVisible();
  await expectBothThemes(cleo);
  await approve(cleo).click();
  await expect(title(cleo)).toHaveText("Approved");
  await bob.reload();
  await expect(bob.getByText(`${CLEO} approved it`)).toBeVisible();
  for (const other of [bob, cleo]) await other.context().close();
});

test("a refusal carries its reason, which the agent reads", async ({ page }) => {
  const bot = await adaAndBot(page);
  const asked = await at.ask(bot, FILES);
  await page.goto(asked.approval_url);
  await page.getByText("Say why not, or stop this agent").click();
  await page.getByLabel("Your reason").fill("Not before Monday");
  await expectAccessible(page);
  await page.keyboard.press("Enter");
  await expect(title(page)).toHaveText("Refused");
  await expect(page.getByText("Not before Monday", { exact: true })).toBeVisible();
  const told = await fetch(`${server.url}/stepup/${asked.id}`);
  expect(await told.json()).toMatchObject({ status: "denied" });
});

test("Ada asks the agent something before she decides", async ({ page }) => {
  const bot = await adaAndBot(page);
  const asked = await at.ask(bot, FILES);
  await page.goto(asked.approval_url);
  await page.getByText("Ask the agent something first").click();
  await page.getByLabel("Your question").fill("Which project?");
  await page.getByRole("button", { name: "Ask", exact: true }).click();
  await expect(page.getByText("Your question waits for its answer.")).toBeVisible();
  await at.answer(asked.id, "The one called Demo");
  await page.getByRole("link", { name: "Look again" }).click();
  await expect(page.getByText("The one called Demo", { exact: true })).toBeVisible();
  await expectBothThemes(page);
  await approve(page).click();
  await expect(title(page)).toHaveText("Approved");
});

test("what has expired or was withdrawn says so", async ({ page }) => {
  const bot = await adaAndBot(page);
  const [short, withdrawn] = [await at.ask(bot, { ...FILES, expires_in: 1 }), await at.ask(bot, FILES)];
  await at.withdraw(withdrawn.id);
  await page.goto(withdrawn.approval_url);
  await expect(title(page)).toHaveText("This question was withdrawn");
  await expect(async () => {
    await page.goto(short.approval_url);
    await expect(title(page)).toHaveText("This question has expired", { timeout: 100 });
  }).toPass();
  await expectBothThemes(page);
});

test("a stranger sees that it is for somebody else, and nothing of it", async ({ page }) => {
  const bot = await adaAndBot(page, "secret-bot");
  const asked = await at.ask(bot, payment);
  const eve = await elsewhere(page, EVE, pathOf(asked));
  await expect(title(eve)).toHaveText("This question is for somebody else");
  expect(await eve.content()).not.toMatch(/secret-bot|ACME|Invoice/);
  await eve.goto(`${server.url}/inbox`);
  await expect(eve.getByText("Nothing waits for you.")).toBeVisible();
  await eve.context().close();
});

test("a sign-in of long ago is renewed, and leads back to the question", async ({ page }) => {
  const bot = await adaAndBot(page);
  const asked = await at.ask(bot, FILES);
  const sql = postgres(database.url, { max: 1 });
  await sql`update sessions set auth_time = auth_time - interval '31 minutes'`;
  await sql.end();
  await page.goto(asked.approval_url);
  await expect(approve(page)).toHaveCount(0);
  await expectBothThemes(page);
  await page.getByRole("link", { name: "Sign in again to answer" }).click();
  await page.getByLabel("Email").fill(ADA);
  await page.getByLabel("Password").fill(`password-of-${ADA}`);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.waitForURL(asked.approval_url);
  await approve(page).click();
  await expect(title(page)).toHaveText("Approved");
});

test("the inbox shows a new question by itself, says so, and can be paused", async ({ page }) => {
  const bot = await adaAndBot(page, "late-bot");
  await page.goto(`${server.url}/inbox`);
  const link = page.getByRole("link", { name: /^late-bot wants to/ });
  await expect(link).toHaveCount(0);
  await at.ask(bot, FILES);
  await expect(link).toBeVisible({ timeout: 8000 });
  await expect(page.getByRole("status")).toContainText("A new question waits for you.");
  await expect(page).toHaveTitle(/^\(\d+\) Inbox/);
  await expectBothThemes(page);
  await page.getByRole("button", { name: "Pause updates" }).click();
  await expect(page.getByText("Updates are paused.")).toBeVisible();
});

test("159: the pages of approvals forbid frames, foreign content and caching", async ({ page }) => {
  const bot = await adaAndBot(page);
  const asked = await at.ask(bot, FILES);
  for (const url of [`${server.url}/inbox`, asked.approval_url]) {
    const headers = (await page.goto(url))?.headers() ?? {};
    expect(headers["content-security-policy"], url).toContain("frame-ancestors 'none'");
    expect(headers["content-security-policy"], url).not.toContain("unsafe");
    expect(headers["x-frame-options"], url).toBe("DENY");
    expect(headers["referrer-policy"], url).toBe("same-origin");
    expect(headers["cache-control"], url).toMatch(/^private, (no-cache, )?no-store/);
  }
  await deny(page).click();
});

test("153: markup that an agent sends is text, and runs nothing", async ({ page }) => {
  const dialogs: string[] = [];
  page.on("dialog", (dialog) => {
    dialogs.push(dialog.message());
    void dialog.dismiss();
  });
  const bot = await adaAndBot(page, "<img src=x onerror=alert(1)>");
  const markup = "<script>alert(1)</script> [here](javascript:alert(1)) {{7*7}}";
  const metadata = { "</title>": "<svg onload=alert(1)>" };
  const asked = await at.ask(bot, { ...FILES, binding_message: markup, metadata });
  await page.goto(asked.approval_url);
  await expect(title(page)).toContainText("<img src=x onerror=alert(1)> wants to");
  await expect(page.getByText(markup, { exact: true })).toBeVisible();
  await deny(page).click();
  await expect(title(page)).toHaveText("Refused");
  expect(dialogs).toEqual([]);
});

test("154: names that an agent chose displace nothing", async ({ page }) => {
  await enter(page, server.url, "/me", ADA);
  const boxOf = async (name: string) => {
    const asked = await at.ask(await agentOf(page, name), FILES);
    await page.goto(asked.approval_url);
    const box = await approve(page).boundingBox();
    const width = await page.evaluate(() => document.documentElement.scrollWidth);
    await deny(page).click();
    return { x: box?.x, width: box?.width, height: box?.height, page: width };
  };
  await page.setViewportSize({ width: 375, height: 800 });
  const plain = await boxOf("bot");
  for (const name of ["W".repeat(100), "😀".repeat(40), "a ".repeat(45).trim()])
    expect(await boxOf(name)).toEqual(plain);
});
