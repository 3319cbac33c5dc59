import { expect, type Page } from "@playwright/test";

/** The first administrator, as `AUTHGENT_ADMIN_EMAIL` and `AUTHGENT_ADMIN_PASSWORD` make it. */
export const ADMIN = { email: "ada@example.com", password: "a-long-password-for-tests" } as const;

/** Settings of a server that `ADMIN` can sign in to. */
export const ADMIN_ENV = { AUTHGENT_ADMIN_EMAIL: ADMIN.email, AUTHGENT_ADMIN_PASSWORD: ADMIN.password };

/** Follows an authorization request as a person: signs in if asked, reads who asks, and allows it. */
export async function allow(page: Page, authorizationUrl: string, app: string): Promise<void> {
  await page.goto(authorizationUrl);
  await signInIfAsked(page);
  await expect(page.getByRole("heading", { level: 1 })).toContainText(`Allow ${app}`);
  await page.getByRole("button", { name: `Allow ${app}` }).click();
  await page.waitForURL(/\/callback\?/);
}

/** Stops an app on "My agents", as the person it acts for. */
export async function stop(page: Page, server: string, app: string): Promise<void> {
  await page.goto(`${server}/me`);
  await signInIfAsked(page);
  await page.getByRole("button", { name: `Stop ${app}` }).click();
  await expect(page.getByRole("button", { name: `Stop ${app}` })).toHaveCount(0);
}

async function signInIfAsked(page: Page): Promise<void> {
  if (new URL(page.url()).pathname === "/login") await signIn(page);
}

/** Signs in on the page that asks for it, and waits for what comes after. */
export async function signIn(page: Page): Promise<void> {
  await page.getByLabel("Email").fill(ADMIN.email);
  await page.getByLabel("Password").fill(ADMIN.password);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.waitForURL((url) => url.pathname !== "/login");
}
