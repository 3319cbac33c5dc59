import { expect, type Page, test } from "@playwright/test";
import { type App, startApp } from "./support/app";
import { ADMIN, ADMIN_ENV } from "./support/person";
import { type RunningServer, startServer } from "./support/server";
import { startUpstream, type Upstream } from "./support/upstream";
import { expectAccessible, watch } from "./support/watch";

async function signIn(page: Page, email: string, password: string) {
  await page.getByLabel("Email").fill(email);
  await page.getByLabel("Password").fill(password);
  await page.getByRole("button", { name: "Sign in" }).click();
}

const cookieNames = async (page: Page) => (await page.context().cookies()).map(({ name }) => name).sort();
const sessionValue = async (page: Page) =>
  (await page.context().cookies()).find(({ name }) => name === "authgent")?.value;

test.describe("with a local account", () => {
  let server: RunningServer;
  test.beforeAll(async () => {
    server = await startServer({ env: ADMIN_ENV });
  });
  test.afterAll(() => server.stop());

  test("Ada signs in and out again, and her old session is worth nothing", async ({ page, context }) => {
    const problems = watch(context, [new URL(server.url).host]);
    await page.goto(`${server.url}/me`);
    await expect(page).toHaveTitle(/^Sign in ·/);
    await expectAccessible(page);
    await signIn(page, ADMIN.email, ADMIN.password);
    await expect(page.getByRole("heading", { level: 1 })).toHaveText("My agents");
    await expect(page.getByRole("banner")).toContainText(`Signed in as ${ADMIN.email}`);
    expect(await cookieNames(page)).toEqual(["authgent", "authgent-browser"]);
    await expectAccessible(page);

    const cookies = await context.cookies();
    const here = page.getByRole("listitem").filter({ hasText: "(this browser)" });
    await here.getByRole("button", { name: "Sign out" }).click();
    await expect(page.getByRole("heading", { level: 1 })).toContainText("Sign in");
    await context.addCookies(cookies);
    await page.goto(`${server.url}/me`);
    await expect(page).toHaveURL(/\/login\?/);
    expect(problems()).toEqual([]);
  });

  test("a session planted before the sign-in is not the one after it", async ({ page, context }) => {
    const planted = `ses_${"A".repeat(43)}`;
    await context.addCookies([{ name: "authgent", value: planted, url: server.url }]);
    await page.goto(`${server.url}/login`);
    await signIn(page, ADMIN.email, ADMIN.password);
    await page.waitForURL(`${server.url}/me`);
    const first = await sessionValue(page);
    expect(first).not.toBe(planted);

    // Without a way on, somebody signed in has nothing to do there.
    await page.goto(`${server.url}/login`);
    await expect(page).toHaveURL(`${server.url}/me`);
    await page.goto(`${server.url}/login?continue=/me`);
    await signIn(page, ADMIN.email, ADMIN.password);
    await page.waitForURL(`${server.url}/me`);
    expect(await sessionValue(page)).not.toBe(first);
    await expect(page.getByText("(this browser)")).toHaveCount(1);
  });

  test("a wrong password is told beside the fields, and the way to the app is kept", async ({ page }) => {
    await page.goto(`${server.url}/login?continue=/approve/lost-question`);
    await signIn(page, ADMIN.email, "not-the-password");
    await expect(page.getByRole("alert").filter({ hasText: "do not belong together" })).toBeVisible();
    await expect(page.getByLabel("Password")).toHaveAccessibleDescription(/do not belong together/);
    await expect(page).toHaveTitle(/^Error: sign in/);
    await expectAccessible(page);
    await signIn(page, ADMIN.email, ADMIN.password);
    await expect(page).toHaveURL(`${server.url}/approve/lost-question`);
  });

  test("after five wrong passwords of one account the sixth try waits", async ({ page }) => {
    await page.goto(`${server.url}/login`);
    const answerTo = async (email: string) => {
      const posted = page.waitForResponse((response) => response.request().method() === "POST");
      await signIn(page, email, "wrong-password");
      return (await posted).status();
    };
    for (let tries = 0; tries < 5; tries += 1) {
      expect(await answerTo("grace@example.com")).toBe(303);
      await expect(page.getByRole("alert").filter({ hasText: "do not belong together" })).toBeVisible();
    }
    expect(await answerTo("Grace@Example.com")).toBe(429);
    await expect(page.getByRole("main")).toContainText("Too many tries, wait 5 minutes");
  });

  test("the way on after a sign-in never leaves this server", async ({ page }) => {
    for (const target of ["//evil.example/", "https://evil.example/", "/\\evil.example/"]) {
      await page.goto(`${server.url}/login?continue=${encodeURIComponent(target)}`);
      await expect(page.locator("input[name=continue]")).toHaveValue("/me");
    }
  });

  test("a sign-in form without the browser it was shown in is refused", async ({ page, request }) => {
    await page.goto(`${server.url}/login`);
    const csrf = await page.locator("input[name=csrf]").inputValue();
    const answer = await request.post(`${server.url}/login/local`, {
      headers: { origin: server.url },
      form: { csrf, email: ADMIN.email, password: ADMIN.password },
      maxRedirects: 0,
    });
    expect(answer.status()).toBe(403);
    expect(answer.headers()["set-cookie"]).toBeUndefined();
  });
});

test("the first admin enters by the link in the terminal, once", async ({ page }) => {
  const server = await startServer();
  try {
    const link = /http:\/\/\S+\/login\/link\/\S+/.exec(server.output())?.[0] ?? "";
    expect((await fetch(link, { method: "HEAD" })).status).toBe(405);
    await page.goto(link);
    await expect(page.getByRole("heading", { level: 1 })).toHaveText("My agents");
    await page.context().clearCookies();
    await page.goto(link);
    await expect(page.getByRole("heading", { level: 1 })).toHaveText("This sign-in link is used up");
    await expectAccessible(page);
  } finally {
    await server.stop();
  }
});

test.describe("through a provider", () => {
  let server: RunningServer;
  let upstream: Upstream;
  let app: App;

  test.beforeAll(async () => {
    const port = await freePort();
    const callback = `http://localhost:${port}/api/auth/callback/upstream`;
    upstream = await startUpstream(callback, {
      grace: { name: "Grace Hopper", email: "grace@corp.example", email_verified: true, groups: ["on-call"] },
      mallory: { name: "Mallory", email: "mallory@corp.example", email_verified: false },
      oscar: { name: "Oscar", email: "oscar@other.example", email_verified: true },
    });
    server = await startServer({
      port,
      env: {
        ...ADMIN_ENV,
        ...upstream.env,
        UPSTREAM_ALLOWED_DOMAINS: "corp.example",
        UPSTREAM_DISPLAY_NAME: "Corp",
      },
    });
    app = await startApp("Notes");
  });
  test.afterAll(async () => {
    app.stop();
    upstream.stop();
    await server.stop();
  });

  async function continueAs(page: Page, account: string) {
    await page.getByRole("button", { name: "Continue with Corp" }).click();
    await page.getByRole("link", { name: `Sign in as ${account}` }).click();
  }

  test("Grace signs in for an app; nothing of the dance exists before she chose to", async ({
    page,
    context,
  }) => {
    const hosts = [server.url, upstream.issuer].map((url) => new URL(url).host);
    const problems = watch(context, [...hosts, app.host]);
    await page.goto(await app.ask(server.url));
    await expect(page.getByRole("heading", { level: 1 })).toHaveText("Sign in to continue to Notes");
    expect(await cookieNames(page)).toEqual(["authgent-browser"]);
    await expectAccessible(page);
    await continueAs(page, "grace");
    await expect(page.getByRole("heading", { level: 1 })).toContainText("Allow Notes");
    await expect(page.getByRole("banner")).toContainText("Signed in as grace@corp.example");
    const ours = (await context.cookies(server.url)).map(({ name }) => name);
    expect(ours.filter((name) => name.startsWith("authgent-"))).toEqual(["authgent-browser"]);
    await page.getByRole("button", { name: "Allow Notes" }).click();
    await page.waitForURL(/\/callback\?code=/);
    expect(problems()).toEqual([]);
  });

  test("a new sign-in that an app asks for is asked of the provider too", async ({ page }) => {
    await page.goto(`${server.url}/login`);
    await continueAs(page, "grace");
    await page.waitForURL(`${server.url}/me`);
    await page.goto(await app.ask(server.url, { prompt: "login" }));
    await expect(page).toHaveURL(/\/login\?/);
    const before = upstream.prompts.length;
    await continueAs(page, "grace");
    await expect(page.getByRole("heading", { level: 1 })).toContainText("Allow Notes");
    expect(upstream.prompts.slice(before)).toEqual(["login"]);
  });

  test("after switching accounts the provider asks who it is", async ({ page }) => {
    await page.goto(`${server.url}/login`);
    await continueAs(page, "grace");
    await page.getByRole("button", { name: "Switch account" }).click();
    const before = upstream.prompts.length;
    await page.getByRole("button", { name: "Continue with Corp" }).click();
    await expect(page.getByRole("link", { name: "Sign in as grace" })).toBeVisible();
    expect(upstream.prompts.slice(before)).toEqual(["login"]);
  });

  for (const [account, words] of [
    ["mallory", "Your e-mail address is not verified"],
    ["oscar", "This account may not sign in here"],
  ] as const) {
    test(`${account}, whom the provider does not vouch for, is told why and not signed in`, async ({
      page,
    }) => {
      await page.goto(`${server.url}/login`);
      await continueAs(page, account);
      await expect(page.getByRole("alert").filter({ hasText: words })).toBeVisible();
      expect(await sessionValue(page)).toBeUndefined();
    });
  }

  test("cancelling at the provider leads back to the page that asked", async ({ page }) => {
    await page.goto(`${server.url}/login?continue=/approve/lost-question`);
    await page.getByRole("button", { name: "Continue with Corp" }).click();
    await page.getByRole("link", { name: "Cancel" }).click();
    await expect(page.getByRole("alert").filter({ hasText: "You cancelled" })).toBeVisible();
    await continueAs(page, "grace");
    await expect(page).toHaveURL(`${server.url}/approve/lost-question`);
  });

  test("an answer of the provider counts only in the browser that asked, and once", async ({
    page,
    browser,
  }) => {
    await page.goto(`${server.url}/login`);
    const answered = page.waitForRequest((request) => request.url().includes("/api/auth/callback/"));
    await continueAs(page, "grace");
    const callback = (await answered).url();
    await page.waitForURL(`${server.url}/me`);

    const victim = await browser.newContext();
    const elsewhere = await victim.newPage();
    for (const visitor of [elsewhere, page]) {
      await visitor.goto(callback);
      await expect(visitor.getByRole("alert").filter({ hasText: "did not complete" })).toBeVisible();
    }
    expect(await sessionValue(elsewhere)).toBeUndefined();
    await victim.close();
  });

  test("Ada's local account stays reachable at /login?local", async ({ page }) => {
    await page.goto(`${server.url}/login`);
    await expect(page.getByLabel("Password")).toHaveCount(0);
    await page.goto(`${server.url}/login?local`);
    await signIn(page, ADMIN.email, ADMIN.password);
    await page.waitForURL(`${server.url}/me`);
  });
});

async function freePort(): Promise<number> {
  const { createServer } = await import("node:net");
  const probe = createServer();
  const port = await new Promise<number>((resolve, reject) => {
    probe.once("error", reject).listen(0, "127.0.0.1", () => {
      const address = probe.address();
      if (address === null || typeof address === "string") reject(new Error("The system gave no port."));
      else resolve(address.port);
    });
  });
  await new Promise((resolve) => probe.close(resolve));
  return port;
}
