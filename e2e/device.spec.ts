import { expect, type Page, test } from "@playwright/test";
import { ADMIN, ADMIN_ENV, signIn } from "./support/person";
import { type RunningServer, startServer } from "./support/server";
import { startTerminal } from "./support/terminal";
import { expectAccessible, watch } from "./support/watch";

const OPERATOR_KEY = "operator-key-for-tests-only";
const FILES = "https://files.example.com/mcp";

let server: RunningServer;
let problems: () => readonly string[];

test.beforeAll(async () => {
  server = await startServer({ env: { ...ADMIN_ENV, AUTHGENT_ADMIN_API_KEY: OPERATOR_KEY } });
  const response = await fetch(`${server.url}/resources`, {
    method: "POST",
    headers: { "content-type": "application/json", "x-admin-key": OPERATOR_KEY },
    body: JSON.stringify({
      resource: FILES,
      name: "Team files",
      scopes: [
        { name: "files:read", description: "Read your files", risk: "low" },
        { name: "files:delete", description: "Delete files for good", risk: "high" },
      ],
    }),
  });
  expect(response.status).toBe(201);
});
test.afterAll(() => server.stop());

test.beforeEach(({ context }) => {
  problems = watch(context, [new URL(server.url).host]);
});
test.afterEach(() => expect(problems()).toEqual([]));

const terminal = (name = "Terminal") => startTerminal(server.url, name, { resource: FILES });

/** Goes to the page that a device names, and signs in there. */
async function goTo(page: Page, address = `${server.url}/device`): Promise<void> {
  await page.goto(address);
  await signIn(page);
}

async function type(page: Page, code: string): Promise<void> {
  await page.getByLabel("Code").fill(code);
  await page.getByRole("button", { name: "Continue" }).click();
}

/** Seconds have passed since the server counted them. */
const days = (seconds: unknown): number => Math.ceil(Number(seconds) / 86_400);

const heading = (page: Page) => page.getByRole("heading", { level: 1 });

test("Ada mistypes the code, types it right, compares it and allows her terminal to read", async ({
  page,
}) => {
  const device = await terminal();
  await goTo(page);
  await expect(heading(page)).toHaveText("Connect a device");
  await expect(page.getByRole("main")).toContainText("Nobody from support will ever send you one.");
  await expectAccessible(page);

  await type(page, "hello");
  await expect(page.getByRole("alert").filter({ hasText: "eight letters" })).toBeVisible();
  await expect(page).toHaveTitle(/^Error: connect a device/);
  await expectAccessible(page);
  await type(page, "BBBB-BBBB");
  await expect(page.getByRole("alert").filter({ hasText: "There is no such code" })).toBeVisible();

  await type(page, device.userCode.toLowerCase().replace("-", " "));
  await expect(heading(page)).toHaveText("Connect Terminal to Team files for you?");
  const letter = page.getByRole("main");
  await expect(letter).toContainText(device.userCode);
  await expect(letter).toContainText("Only continue if you started this yourself");
  await expect(letter).toContainText("terminal-cli/1.2 (linux)");
  await expect(letter).toContainText("Unverified: this app named itself");
  await expect(letter).toContainText("1 day. After that, the device has to ask you again.");
  await expect(page.getByRole("checkbox", { name: "Read your files" })).toBeChecked();
  await expect(page.getByRole("checkbox", { name: "Delete files for good" })).not.toBeChecked();
  await expect(page.getByRole("checkbox", { name: "Keep it connected for up to 90 days" })).not.toBeChecked();
  expect(new URL(page.url()).search).toBe("");
  await expectAccessible(page);

  await page.getByRole("button", { name: "Allow Terminal" }).click();
  await expect(heading(page)).toHaveText("Done. Go back to your device");
  await expectAccessible(page);
  const { status, body } = await device.answer;
  expect([status, body.scope]).toEqual([200, "files:read"]);
  expect(days(body.authorization_expires_in)).toBe(1);
});

test("Ada follows the link with the code in it, and still has to agree twice", async ({ page }) => {
  const device = await terminal("Television");
  await goTo(page, device.link);
  await expect(page.getByLabel("Code")).toHaveValue(device.userCode);
  await page.getByRole("button", { name: "Continue" }).click();
  await page.getByText("Keep it connected for up to 90 days").click();
  await page.getByRole("button", { name: "Allow Television" }).click();
  const { body } = await device.answer;
  expect(days(body.authorization_expires_in)).toBe(90);
});

test("Ada denies what she did not start, and the device is told so", async ({ page }) => {
  const device = await terminal("Stranger");
  await goTo(page);
  await type(page, device.userCode);
  await page.getByRole("button", { name: "Deny" }).click();
  await expect(heading(page)).toHaveText("You refused this device");
  await expectAccessible(page);
  expect(await device.answer).toMatchObject({ status: 400, body: { error: "access_denied" } });
});

test("Ada takes her yes back at once, and what the device holds is worth nothing", async ({
  page,
  request,
}) => {
  const device = await terminal("Mistake");
  await goTo(page);
  await type(page, device.userCode);
  await page.getByRole("button", { name: "Allow Mistake" }).click();
  const { body } = await device.answer;
  await page.getByRole("button", { name: "Undo, and disconnect it" }).click();
  await expect(page.getByRole("status").first()).toHaveText("Stopped. It gets nothing new from now on.");
  const told = await request.post(`${server.url}/introspect`, {
    headers: { "x-admin-key": OPERATOR_KEY },
    form: { token: String(body.access_token) },
  });
  expect(await told.json()).toEqual({ active: false });
  await page.goBack();
  await page.reload();
  await expect(heading(page)).toHaveText("This device is disconnected");
});

test("Ada unticks everything, and is told to tick one line or deny", async ({ page }) => {
  const device = await terminal();
  await goTo(page);
  await type(page, device.userCode);
  await page.getByRole("checkbox", { name: "Read your files" }).uncheck();
  await page.getByRole("button", { name: "Allow Terminal" }).click();
  await expect(page.getByRole("alert").filter({ hasText: "Nothing was ticked" })).toBeVisible();
  await expectAccessible(page);
  await page.getByRole("button", { name: "Deny" }).click();
  expect((await device.answer).body.error).toBe("access_denied");
});

test("a link that a stranger sent asks nobody anything by itself", async ({ page }) => {
  const device = await terminal("Phisher");
  let answered = false;
  device.answer.then(() => {
    answered = true;
  });
  await goTo(page, device.link);
  await page.reload();
  await expect(heading(page)).toHaveText("Connect a device");
  expect(answered).toBe(false);
  await page.getByRole("button", { name: "Continue" }).click();
  await page.getByRole("button", { name: "Deny" }).click();
  expect((await device.answer).body.error).toBe("access_denied");
});

test("the page of codes forbids frames, foreign content and caching", async ({ page }) => {
  await goTo(page);
  const headers = (await page.reload())?.headers() ?? {};
  expect(headers["content-security-policy"]).toContain("form-action 'self'");
  expect(headers["x-frame-options"]).toBe("DENY");
  expect(headers["referrer-policy"]).toBe("same-origin");
  expect(headers["cache-control"]).toMatch(/no-store/);
});

test.describe("without JavaScript", () => {
  test.use({ javaScriptEnabled: false });

  test("Ada connects a device", async ({ page }) => {
    const device = await terminal();
    await goTo(page);
    await type(page, device.userCode);
    await page.getByRole("button", { name: "Allow Terminal" }).click();
    await expect(heading(page)).toHaveText("Done. Go back to your device");
    expect((await device.answer).status).toBe(200);
  });
});

test("Ada connects a device by keyboard alone, and refusing comes first", async ({ page }) => {
  const device = await terminal();
  await page.goto(`${server.url}/device`);
  await page.getByLabel("Email").focus();
  await page.keyboard.type(ADMIN.email);
  await page.keyboard.press("Tab");
  await page.keyboard.type(ADMIN.password);
  await page.keyboard.press("Enter");
  await expect(heading(page)).toHaveText("Connect a device");
  await page.getByLabel("Code").focus();
  await page.keyboard.type(device.userCode);
  await page.keyboard.press("Enter");
  await page.waitForURL(/\/approve\//);
  const stops: string[] = [];
  for (let presses = 0; presses < 20 && !stops.includes("Allow Terminal"); presses += 1) {
    await page.keyboard.press("Tab");
    stops.push(await page.evaluate(() => document.activeElement?.textContent ?? ""));
  }
  expect(stops.slice(-2)).toEqual(["Deny", "Allow Terminal"]);
  await page.keyboard.press("Enter");
  await expect(heading(page)).toHaveText("Done. Go back to your device");
  expect((await device.answer).status).toBe(200);
});
