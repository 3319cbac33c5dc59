import { expect, type Page, test } from "@playwright/test";
import { type App, startApp } from "./support/app";
import { ADMIN, ADMIN_ENV, allow } from "./support/person";
import { type RunningServer, startServer } from "./support/server";
import { expectAccessible, watch } from "./support/watch";

const OPERATOR_KEY = "operator-key-for-tests-only";
const FILES = "https://files.example.com/mcp";

let server: RunningServer;
let app: App;
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
        { name: "files:write", description: "Change and add files", risk: "medium" },
        { name: "files:delete", description: "Delete files for good", risk: "high" },
        { name: "files:admin", description: "Manage everybody's files", risk: "high", minimum_role: "admin" },
      ],
    }),
  });
  expect(response.status).toBe(201);
});
test.afterAll(() => server.stop());

test.beforeEach(async ({ context }) => {
  app = await startApp("Notes");
  problems = watch(context, [new URL(server.url).host, app.host]);
});
test.afterEach(() => {
  app.stop();
  expect(problems()).toEqual([]);
});

async function signIn(page: Page) {
  await page.getByLabel("Email").fill(ADMIN.email);
  await page.getByLabel("Password").fill(ADMIN.password);
  await page.getByRole("button", { name: "Sign in" }).click();
}

test("Ada lets an app she started read and change her files, and not delete them", async ({ page }) => {
  await page.goto(await app.ask(server.url, { resource: FILES }));
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("Sign in to continue to Notes");
  await expect(page.getByRole("main")).toContainText(`then sent to ${app.host}`);
  await expectAccessible(page);
  await signIn(page);

  await expect(page.getByRole("heading", { level: 1 })).toHaveText("Allow Notes to use Team files for you?");
  const letter = page.getByRole("main");
  await expect(letter).toContainText("Unverified: this app named itself");
  await expect(letter).toContainText(`${app.host} on this computer`);
  await expect(page.getByRole("checkbox", { name: "Read your files" })).toBeChecked();
  await expect(page.getByRole("checkbox", { name: "Delete files for good" })).not.toBeChecked();
  await expectAccessible(page);
  await page.getByRole("button", { name: "Allow Notes" }).click();

  await page.waitForURL(/\/callback\?/);
  const answer = new URL(page.url());
  expect(answer.searchParams.get("state")).toBe("state-of-the-app");
  expect(answer.searchParams.get("iss")).toBe(server.url);
  const { status, body } = await app.redeem(server.url, answer);
  expect(status).toBe(200);
  expect(body.scope).toBe("files:read files:write");
});

test("Ada cancels, and the app is told so", async ({ page }) => {
  await page.goto(await app.ask(server.url));
  await signIn(page);
  await page.getByRole("button", { name: "Cancel" }).click();
  await page.waitForURL(/\/callback\?/);
  expect(new URL(page.url()).searchParams.get("error")).toBe("access_denied");
});

test("Ada unticks everything, and is told to tick one line or cancel", async ({ page }) => {
  await page.goto(await app.ask(server.url, { resource: FILES }));
  await signIn(page);
  await page.getByRole("checkbox", { name: "Read your files" }).uncheck();
  await page.getByRole("checkbox", { name: "Change and add files" }).uncheck();
  await page.getByRole("button", { name: "Allow Notes" }).click();
  await expect(page.getByRole("alert").filter({ hasText: "Nothing was ticked" })).toBeVisible();
  await expect(page).toHaveTitle(/^Error: Allow Notes\?/);
  for (const box of await page.getByRole("checkbox").all()) await expect(box).not.toBeChecked();
  await expectAccessible(page);
  await page.getByRole("checkbox", { name: "Read your files" }).check();
  await page.getByRole("button", { name: "Allow Notes" }).click();
  await page.waitForURL(/\/callback\?/);
  const { body } = await app.redeem(server.url, new URL(page.url()));
  expect(body.scope).toBe("files:read");
});

test("Ada is asked again for what she allows already, and cancelling changes nothing", async ({ page }) => {
  await allow(page, await app.ask(server.url, { resource: FILES, scope: "files:read" }), app.name);
  await page.goto(await app.ask(server.url, { resource: FILES, scope: "files:read" }));
  await expect(page.getByRole("checkbox")).toHaveCount(0);
  const letter = page.getByRole("main");
  await expect(letter).toContainText("It asks to do this, and you already allow all of it.");
  await expect(letter).toContainText("Cancel changes nothing: what you allowed before stays.");
  await page.getByRole("button", { name: "Cancel" }).click();
  await page.waitForURL(/\/callback\?error=access_denied/);
  await page.goto(`${server.url}/me`);
  await expect(page.getByRole("article").first()).toContainText("Read your files");
});

test("what nobody described is said not to be, and how long a stopped app may go on", async ({ page }) => {
  await page.goto(await app.ask(server.url, { resource: "http://localhost:9/notes", scope: "notes:read" }));
  await signIn(page);
  await expect(page.getByRole("group", { name: "Not described" })).toContainText("Use “notes:read”");
  await expect(page.getByRole("group", { name: "Change" })).toHaveCount(0);
  await expect(page.getByRole("main")).toContainText("does not ask us may let it in for up to 1 hour more.");
});

test("Ada stops an app, and what it holds is worth nothing", async ({ page }) => {
  await allow(page, await app.ask(server.url), app.name);
  const { body } = await app.redeem(server.url, new URL(page.url()));
  await page.goto(`${server.url}/me`);
  await expect(page.getByRole("heading", { level: 2, name: "Notes" }).first()).toBeVisible();
  await expectAccessible(page);
  await page.getByRole("button", { name: "Stop Notes" }).first().click();
  await expect(page.getByRole("status")).toHaveText("Stopped. It gets nothing new from now on.");
  const refused = await app.refresh(server.url, String(body.refresh_token));
  expect(refused.status).toBe(400);
  expect(refused.body.error).toBe("invalid_grant");
});

test("Ada leaves an app less, and asks too little to be left", async ({ page }) => {
  await allow(page, await app.ask(server.url, { resource: FILES }), app.name);
  await page.goto(`${server.url}/me`);
  const entry = page.getByRole("article").first();
  await entry.getByText("Give it less").click();
  await entry.getByRole("checkbox", { name: "Change and add files" }).uncheck();
  await entry.getByRole("button", { name: "Keep only what is ticked" }).click();
  await expect(page.getByRole("status")).toHaveText("Done. The app keeps only what you left ticked.");
  await expect(page.getByRole("article").first()).not.toContainText("Change and add files");
});

test("a question is answered once: going back to it says what was answered", async ({ page }) => {
  await page.goto(await app.ask(server.url));
  await signIn(page);
  await page.waitForURL(/\/approve\//);
  const question = page.url();
  await page.getByRole("button", { name: "Allow Notes" }).click();
  await page.waitForURL(/\/callback\?/);
  await page.goto(question);
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("You allowed this request");
  await expectAccessible(page);
});

test("a question that waits in Ada's browser is none in another", async ({ page, browser }) => {
  await page.goto(await app.ask(server.url));
  await signIn(page);
  await page.waitForURL(/\/approve\//);
  const other = await browser.newContext();
  const elsewhere = await other.newPage();
  await elsewhere.goto(page.url());
  await signIn(elsewhere);
  await expect(elsewhere.getByRole("heading", { level: 1 })).toHaveText("This question is for somebody else");
  await expect(elsewhere.getByRole("button", { name: /^Allow/ })).toHaveCount(0);
  await other.close();
});

test("a form sent from another site changes nothing", async ({ page, request }) => {
  await page.goto(await app.ask(server.url));
  await signIn(page);
  await page.waitForURL(/\/approve\//);
  const csrf = await page.locator("form.full input[name=csrf]").inputValue();
  const cookies = (await page.context().cookies()).map(({ name, value }) => `${name}=${value}`).join("; ");
  const answer = await request.post(`${page.url()}/decision`, {
    headers: { cookie: cookies, origin: "https://evil.example" },
    form: { csrf, decision: "allow", scope: "mcp:tools" },
    maxRedirects: 0,
  });
  expect(answer.status()).toBe(403);
});

test.describe("without JavaScript", () => {
  test.use({ javaScriptEnabled: false });

  test("Ada signs in, allows, stops and signs out", async ({ page }) => {
    await allow(page, await app.ask(server.url), app.name);
    await page.goto(`${server.url}/me`);
    await page.getByRole("button", { name: "Stop Notes" }).first().click();
    await expect(page.getByRole("status")).toBeVisible();
    const here = page.getByRole("listitem").filter({ hasText: "(this browser)" });
    await here.getByRole("button", { name: "Sign out" }).click();
    await expect(page.getByRole("heading", { level: 1 })).toContainText("Sign in");
  });
});

test("Ada decides by keyboard alone", async ({ page }) => {
  await page.goto(await app.ask(server.url));
  await page.getByLabel("Email").focus();
  await page.keyboard.type(ADMIN.email);
  await page.keyboard.press("Tab");
  await page.keyboard.type(ADMIN.password);
  await page.keyboard.press("Enter");
  await page.waitForURL(/\/approve\//);
  const decisions: string[] = [];
  for (let presses = 0; presses < 20 && !decisions.includes("Allow Notes"); presses += 1) {
    await page.keyboard.press("Tab");
    decisions.push(await page.evaluate(() => document.activeElement?.textContent ?? ""));
  }
  // Refusing comes first, and is as near as agreeing.
  expect(decisions.slice(-2)).toEqual(["Cancel", "Allow Notes"]);
  await page.keyboard.press("Enter");
  await page.waitForURL(/\/callback\?/);
});

test("every page forbids frames, foreign content and caching", async ({ request }) => {
  for (const path of ["/", "/login", "/errors/invalid_grant", "/nothing-here"]) {
    const headers = (await request.get(server.url + path)).headers();
    expect(headers["content-security-policy"], path).toContain("frame-ancestors 'none'");
    expect(headers["content-security-policy"], path).not.toContain("unsafe");
    expect(headers["x-frame-options"], path).toBe("DENY");
    expect(headers["x-content-type-options"], path).toBe("nosniff");
    expect(headers["referrer-policy"], path).toBe("same-origin");
    expect(headers["cache-control"], path).toMatch(/^private, (no-cache, )?no-store/);
    expect(headers["x-powered-by"], path).toBeUndefined();
  }
});
