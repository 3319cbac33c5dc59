import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, type Page, test } from "@playwright/test";
import { run } from "./support/command";
import { freePort, type RunningServer, startServer } from "./support/server";
import { expectAccessible, watch } from "./support/watch";

const OPERATOR_KEY = "operator-key-for-tests-only";
const ADA = { email: "ada@example.com", name: "Ada Lovelace", password: "a-long-password-for-tests" };
const BOB = { email: "bob@example.com", name: "Bob", password: "another-long-password" };

let server: RunningServer;
let minutes: Minutes;
let problems: () => readonly string[];

test.beforeAll(async () => {
  server = await startServer({ env: { AUTHGENT_ADMIN_API_KEY: OPERATOR_KEY } });
  for (const person of [ADA, BOB]) {
    const response = await fetch(`${server.url}/users`, {
      method: "POST",
      headers: { "content-type": "application/json", "x-admin-key": OPERATOR_KEY },
      body: JSON.stringify({ ...person, role: "member" }),
    });
    expect(response.status).toBe(201);
  }
  minutes = await startMinutes(server.url);
});
test.afterAll(async () => {
  await minutes.stop();
  await server.stop();
});

test.beforeEach(({ context }) => {
  problems = watch(context, [new URL(server.url).host, new URL(minutes.url).host]);
});
test.afterEach(() => expect(problems()).toEqual([]));

async function signIn(page: Page, { email, password }: typeof ADA) {
  await page.goto(minutes.url);
  await page.getByRole("button", { name: "Sign in with Authgent" }).click();
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("Sign in to continue to Minutes");
  await page.getByLabel("Email").fill(email);
  await page.getByLabel("Password").fill(password);
  await page.getByRole("button", { name: "Sign in" }).click();
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("Allow Minutes to sign you in?");
}

test("Ada signs in to a Next app with next-auth, which knows her name and address from her ID token", async ({
  page,
}, testInfo) => {
  await signIn(page, ADA);
  const letter = page.getByRole("main");
  await expect(letter).toContainText(`You are${ADA.name} ${ADA.email}`);
  await expect(letter).toContainText("Know who you are");
  await expect(page.getByRole("checkbox", { name: "See your name" })).toBeChecked();
  await expect(page.getByRole("checkbox", { name: "Know who you are" })).toHaveCount(0);
  await expectAccessible(page);
  await page.screenshot({ path: testInfo.outputPath("consent.png"), fullPage: true });
  await page.getByRole("button", { name: "Allow Minutes" }).click();

  await expect(page.getByRole("heading", { level: 1 })).toHaveText(`Hello, ${ADA.name}`);
  await expect(page.getByRole("main")).toContainText(ADA.email);
  await page.screenshot({ path: testInfo.outputPath("signed-in.png") });

  await page.goto(`${server.url}/me`);
  await expect(page.getByRole("article").first()).toContainText("See your e-mail address");
  await expectAccessible(page);
});

test("Bob keeps his address to himself", async ({ page }) => {
  await signIn(page, BOB);
  await page.getByRole("checkbox", { name: "See your e-mail address" }).uncheck();
  await page.getByRole("button", { name: "Allow Minutes" }).click();
  await expect(page.getByRole("heading", { level: 1 })).toHaveText(`Hello, ${BOB.name}`);
  await expect(page.getByRole("main")).not.toContainText(BOB.email);
});

test("Bob says no, and is back in the app, which says so", async ({ page }) => {
  await signIn(page, BOB);
  await page.getByRole("button", { name: "Cancel" }).click();
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("Minutes");
  await expect(page.getByRole("status")).toContainText("You are not signed in");
  await expect(page.getByRole("button", { name: "Sign in with Authgent" })).toBeVisible();
});

type Minutes = { url: string; stop(): Promise<void> };

/** Registers and starts examples/next-auth as its README says, and waits until its pages are compiled. */
async function startMinutes(issuer: string): Promise<Minutes> {
  const port = await freePort();
  const url = `http://localhost:${port}`;
  const registered = await run(["examples/next-auth/register.mjs"], { ISSUER: issuer, APP_URL: url });
  expect([registered.code, registered.stderr]).toEqual([0, ""]);
  const settings = Object.fromEntries(
    registered.stdout
      .trim()
      .split("\n")
      .map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]),
  );
  const { PATH, HOME, TMPDIR } = process.env;
  const next = [
    "node_modules/next/dist/bin/next",
    "dev",
    "--webpack",
    "--port",
    `${port}`,
    "examples/next-auth",
  ];
  const child = spawn(process.execPath, next, {
    env: { PATH, HOME, TMPDIR, NODE_ENV: "development", NEXT_TELEMETRY_DISABLED: "1", ...settings },
    stdio: ["ignore", "ignore", "inherit"],
  });
  const killNow = () => child.kill();
  process.once("exit", killNow);
  const stop = async () => {
    process.off("exit", killNow);
    child.kill();
    await once(child, "exit");
  };
  for (const path of ["/", "/api/auth/providers"]) await untilAnswered(child, `${url}${path}`);
  return { url, stop };
}

async function untilAnswered(child: ChildProcess, url: string): Promise<void> {
  const deadline = AbortSignal.timeout(50_000);
  while ((await statusOf(url)) !== 200) {
    deadline.throwIfAborted();
    if (child.exitCode !== null) throw new Error(`next dev ended with code ${child.exitCode}.`);
    await sleep(200);
  }
}

/** Undefined while nobody listens. */
const statusOf = (url: string): Promise<number | undefined> =>
  fetch(url).then(
    ({ status }) => status,
    () => undefined,
  );
