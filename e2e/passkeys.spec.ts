import { expect, type Locator, type Page, test } from "@playwright/test";
import postgres from "postgres";
import { createDatabase } from "./support/database";
import { ADMIN, ADMIN_ENV } from "./support/person";
import { type RunningServer, startServer } from "./support/server";
import { addVirtualAuthenticator } from "./support/virtual-authenticator";
import { expectAccessible, watch } from "./support/watch";

let server: RunningServer;
let database: Awaited<ReturnType<typeof createDatabase>>;
test.beforeAll(async () => {
  database = await createDatabase();
  server = await startServer({ databaseUrl: database.url, env: ADMIN_ENV });
});
test.afterAll(async () => {
  await server.stop();
  await database.drop();
});

let problems: () => readonly string[];
test.beforeEach(({ context }) => {
  problems = watch(context, [new URL(server.url).host]);
});
test.afterEach(() => expect(problems()).toEqual([]));

async function signIn(page: Page, url = server.url) {
  await page.goto(`${url}/login?continue=/me`);
  await enterPassword(page);
  await page.waitForURL(`${url}/me`);
}

async function enterPassword(page: Page) {
  await page.getByLabel("Email").fill(ADMIN.email);
  await page.getByLabel("Password").fill(ADMIN.password);
  await page.getByRole("button", { name: "Sign in" }).click();
}

const section = (page: Page): Locator =>
  page.locator("section", { has: page.getByRole("heading", { name: "Passkeys" }) });
const listed = (page: Page): Locator => section(page).getByRole("listitem");
const nameField = (page: Page): Locator => page.getByLabel("Name of a new passkey");
const addButton = (page: Page): Locator => page.getByRole("button", { name: "Add a passkey" });
const told = (page: Page): Locator => page.getByRole("status").filter({ hasText: /\S/ });

async function add(page: Page, name: string) {
  await nameField(page).fill(name);
  await addButton(page).click();
  await expect(told(page)).toHaveText("Added. It confirms approvals of high risk from now on.");
}

async function removeAll(page: Page) {
  while ((await listed(page).count()) > 0) {
    await listed(page).first().getByRole("button", { name: "Remove" }).click();
    await expect(told(page)).toContainText("Removed");
  }
}

/** Reaches a control by the Tab key alone. */
async function tabTo(page: Page, control: Locator) {
  for (let presses = 0; presses < 60; presses += 1) {
    await page.keyboard.press("Tab");
    if (await control.evaluate((element) => element === document.activeElement)) return;
  }
  throw new Error("The Tab key does not lead there.");
}

test("Ada adds a passkey, tries it and removes it, with the keyboard alone", async ({ page }) => {
  const authenticator = await addVirtualAuthenticator(page);
  await signIn(page);
  await expect(addButton(page)).toBeEnabled();
  await expect(nameField(page)).toHaveValue(/^Chrome on /);
  await expectAccessible(page);

  await tabTo(page, nameField(page));
  await page.keyboard.press("ControlOrMeta+A");
  await page.keyboard.type("Ada's laptop");
  await page.keyboard.press("Enter");
  await expect(told(page)).toHaveText("Added. It confirms approvals of high risk from now on.");
  expect(await authenticator.credentials()).toBe(1);
  await expect(listed(page)).toContainText(["Ada's laptop"]);
  await expect(listed(page)).toContainText(["Never used"]);
  await expectAccessible(page);

  await tabTo(page, page.getByRole("button", { name: "Try it: Ada's laptop" }));
  await page.keyboard.press("Enter");
  await expect(told(page)).toHaveText("It works: what this passkey signed was verified.");
  await expect(listed(page)).toContainText(["Last used just now"]);

  await tabTo(page, page.getByRole("button", { name: "Remove Ada's laptop" }));
  await page.keyboard.press("Space");
  await expect(told(page)).toContainText("Removed: it confirms nothing here any more.");
  await expect(listed(page)).toHaveCount(0);
});

test("a device that does not recognize Ada adds nothing and signs nothing, and she is told beside the button", async ({
  page,
}) => {
  const authenticator = await addVirtualAuthenticator(page);
  await signIn(page);
  await authenticator.recognizes(false);
  await addButton(page).focus();
  await page.keyboard.press("Enter");
  await expect(section(page).getByRole("alert")).toContainText("Nothing was done: you cancelled");
  await expect(addButton(page)).toBeFocused();
  await expectAccessible(page);
  expect(await authenticator.credentials()).toBe(0);

  await authenticator.recognizes(true);
  await add(page, "Phone");
  await authenticator.recognizes(false);
  await page.getByRole("button", { name: "Try it: Phone" }).click();
  await expect(listed(page).getByRole("alert")).toContainText("Nothing was done: you cancelled");
  await expectAccessible(page);
  await removeAll(page);
});

test("a device that has one is told apart, and adds no second", async ({ page }) => {
  await addVirtualAuthenticator(page);
  await signIn(page);
  await add(page, "Laptop");
  await addButton(page).click();
  await expect(section(page).getByRole("alert")).toHaveText(
    "This device has a passkey for you here already.",
  );
  await removeAll(page);
});

test("six minutes after the sign-in Ada can try a passkey, and signs in again to add or remove one", async ({
  page,
}) => {
  await addVirtualAuthenticator(page);
  await signIn(page);
  await add(page, "Laptop");
  const sql = postgres(database.url, { max: 1 });
  await sql`update sessions set auth_time = auth_time - interval '6 minutes'`;
  await sql.end();

  // The page was shown before: what it can no longer do it says, and where to go.
  await page.getByRole("button", { name: "Remove Laptop" }).click();
  await expect(told(page)).toHaveText("Nothing was changed: sign in again first, and then repeat it.");
  await expect(page.getByRole("button", { name: /Remove|Add a passkey/ })).toHaveCount(0);
  await expectAccessible(page);
  await page.getByRole("button", { name: "Try it: Laptop" }).click();
  await expect(told(page)).toHaveText("It works: what this passkey signed was verified.");

  await section(page).getByRole("link", { name: "sign in again" }).click();
  await enterPassword(page);
  await page.waitForURL(`${server.url}/me`);
  await expect(addButton(page)).toBeEnabled();
  await removeAll(page);
});

test("a page that was left open leads to the sign-in when it is too late to add", async ({ page }) => {
  await addVirtualAuthenticator(page);
  await signIn(page);
  const sql = postgres(database.url, { max: 1 });
  await sql`update sessions set auth_time = auth_time - interval '6 minutes'`;
  await sql.end();
  const refused = page.waitForResponse(`${server.url}/me/passkeys/options`);
  await addButton(page).click();
  expect((await refused).status()).toBe(403);
  const alert = section(page).getByRole("alert");
  await expect(alert).toContainText("your sign-in is too long ago");
  await expect(alert.getByRole("link", { name: "Go to the sign-in" })).toHaveAttribute("href", /^\/login\?/);
  // The browser itself notes the refused request on its console.
  expect(problems().filter((line) => !line.includes("403"))).toEqual([]);
  problems = () => [];
});

test("without JavaScript Ada is told that adding needs it, and can still remove", async ({
  page,
  browser,
}) => {
  await addVirtualAuthenticator(page);
  await signIn(page);
  await add(page, "Laptop");

  const context = await browser.newContext({ javaScriptEnabled: false });
  const plain = await context.newPage();
  await signIn(plain);
  const note = section(plain).locator("noscript p");
  await expect(note).toBeVisible();
  await expect(note).toHaveText(/^Adding or trying a passkey needs JavaScript/);
  await expect(addButton(plain)).toBeDisabled();
  await plain.getByRole("button", { name: "Remove Laptop" }).click();
  await expect(told(plain)).toContainText("Removed");
  await expect(listed(plain)).toHaveCount(0);
  await context.close();
});

test("a server that is known by an address says that passkeys need a domain name", async ({
  page,
  context,
}) => {
  const port = Number(new URL(server.url).port) + 1;
  const url = `http://127.0.0.1:${port}`;
  const addressed = await startServer({ port, env: { ...ADMIN_ENV, AUTHGENT_SERVER_URL: url } });
  try {
    problems = watch(context, [new URL(url).host]);
    await signIn(page, url);
    await expect(section(page)).toContainText(`known by an address, 127.0.0.1:${port}`);
    await expect(addButton(page)).toHaveCount(0);
    await expectAccessible(page);
  } finally {
    await addressed.stop();
  }
});
