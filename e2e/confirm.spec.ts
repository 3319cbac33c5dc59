import { expect, test } from "@playwright/test";
import { startApp } from "./support/app";
import { ADMIN_ENV, signIn } from "./support/person";
import { type RunningServer, startServer } from "./support/server";
import { addVirtualAuthenticator } from "./support/virtual-authenticator";
import { expectAccessible, watch } from "./support/watch";

let server: RunningServer;
test.beforeAll(async () => {
  server = await startServer({ env: ADMIN_ENV });
});
test.afterAll(() => server.stop());

test("RFC 9470 §5: an app that wants more than a password gets a passkey, by keyboard too, and its token says so", async ({
  page,
  context,
}) => {
  const app = await startApp("Payroll");
  const url = await app.ask(server.url, { acr_values: "phr" });
  const problems = watch(context, [new URL(server.url).host, app.host]);
  try {
    await addVirtualAuthenticator(page);
    await page.goto(`${server.url}/login?continue=/me`);
    await signIn(page);

    // Without a passkey the app is told that this cannot be.
    await page.goto(url);
    await page.waitForURL(/\/callback\?/);
    expect(new URL(page.url()).searchParams.get("error")).toBe("unmet_authentication_requirements");

    await page.goto(`${server.url}/me`);
    await page.getByRole("button", { name: "Add a passkey" }).click();
    await page.waitForURL(/done=passkey-added/);
    await page.goto(url);
    await expect(page.getByRole("heading", { level: 1 })).toHaveText("Confirm that it is you");
    for (const colorScheme of ["light", "dark"] as const) {
      await page.emulateMedia({ colorScheme });
      await expectAccessible(page);
    }
    const confirm = page.getByRole("button", { name: "Confirm with a passkey" });
    await confirm.focus();
    await page.keyboard.press("Enter");
    await expect(page.getByRole("heading", { level: 1 })).toContainText(`Allow ${app.name}`);
    await page.getByRole("button", { name: `Allow ${app.name}` }).click();
    await page.waitForURL(/\/callback\?/);
    const { body } = await app.redeem(server.url, new URL(page.url()));
    const payload = String(body.access_token).split(".")[1] ?? "";
    const claims = JSON.parse(Buffer.from(payload, "base64url").toString());
    expect([claims.acr, claims.amr]).toEqual(["phr", ["pwd", "pop", "user"]]);
    expect(problems()).toEqual([]);
  } finally {
    await app.stop();
  }
});
