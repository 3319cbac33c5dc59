import { once } from "node:events";
import { createServer } from "node:http";
import { buffer } from "node:stream/consumers";
import { type BrowserContext, expect, type Page, test } from "@playwright/test";
import { type PushBrowser, pushBrowser } from "../test/support/push-browser";
import { ADMIN, ADMIN_ENV } from "./support/person";
import { type RunningServer, startServer } from "./support/server";
import { expectAccessible, watch } from "./support/watch";

let server: RunningServer;
let service: Awaited<ReturnType<typeof startPushService>>;
let problems: () => readonly string[];

test.beforeAll(async () => {
  server = await startServer({ env: ADMIN_ENV });
});
test.afterAll(() => server.stop());

test.beforeEach(async ({ context }) => {
  service = await startPushService();
  problems = watch(context, [new URL(server.url).host]);
});
test.afterEach(() => {
  service.stop();
  expect(problems()).toEqual([]);
});

/** A push service on a loopback port, which keeps what it is to pass on. */
async function startPushService() {
  const messages: { body: Buffer }[] = [];
  const listener = createServer(async (request, response) => {
    messages.push({ body: await buffer(request) });
    response.writeHead(201).end();
  }).listen(0, "127.0.0.1");
  await once(listener, "listening");
  const address = listener.address();
  if (address === null || typeof address === "string") throw new Error("The system gave no port.");
  return { endpoint: `http://127.0.0.1:${address.port}/push/1`, messages, stop: () => listener.close() };
}

/** The browser's own push service is on the internet: in its place stands the one of this test. */
async function subscribesAt(context: BrowserContext, device: PushBrowser) {
  await context.addInitScript((subscription) => {
    let current: unknown = null;
    PushManager.prototype.getSubscription = async () => current as PushSubscription | null;
    PushManager.prototype.subscribe = async () => {
      current = { toJSON: () => subscription, unsubscribe: async () => true };
      return current as PushSubscription;
    };
  }, device.subscription);
}

async function signIn(page: Page) {
  await page.goto(`${server.url}/me`);
  await page.getByLabel("Email").fill(ADMIN.email);
  await page.getByLabel("Password").fill(ADMIN.password);
  await page.getByRole("button", { name: "Sign in" }).click();
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("My agents");
}

/** As an admin on a page of this server does it. */
const sendTest = (page: Page) =>
  page.evaluate(async () => {
    const headers = { "content-type": "application/json" };
    const response = await fetch("/notifications/test", { method: "POST", headers, body: "{}" });
    return response.status;
  });

test("Ada lets her browser tell her, is told, and stops it", async ({ page, context }) => {
  const device = pushBrowser(service.endpoint);
  await context.grantPermissions(["notifications"], { origin: server.url });
  await subscribesAt(context, device);
  await signIn(page);
  await page.getByRole("button", { name: "Notify this browser" }).click();
  const stop = page.getByRole("button", { name: "Stop notifying this browser" });
  await expect(stop).toBeVisible();
  await expectAccessible(page);

  expect(await sendTest(page)).toBe(202);
  await expect.poll(() => service.messages.length).toBe(1);
  const [message] = service.messages;
  const told = device.read(message ?? { body: Buffer.of() });
  const title = `This is a test message from ${new URL(server.url).host}`;
  expect(told).toEqual({ title, url: `${server.url}/me` });

  // What its push service would pass on to it.
  const worker = await context.newCDPSession(page);
  const registered = new Promise<string>((resolve) => {
    worker.on("ServiceWorker.workerRegistrationUpdated", ({ registrations }) => {
      const mine = registrations.find(({ scopeURL }) => scopeURL === `${server.url}/me`);
      if (mine) resolve(mine.registrationId);
    });
  });
  await worker.send("ServiceWorker.enable");
  await worker.send("ServiceWorker.deliverPushMessage", {
    origin: server.url,
    registrationId: await registered,
    data: JSON.stringify(told),
  });
  const shown = () =>
    page.evaluate(async () => {
      const registration = await navigator.serviceWorker.ready;
      return (await registration.getNotifications()).map(({ title, body, tag }) => ({ title, body, tag }));
    });
  await expect.poll(shown).toEqual([{ title, body: "Open it to read more.", tag: `${server.url}/me` }]);

  await page.reload();
  await stop.click();
  await expect(page.getByRole("button", { name: "Notify this browser" })).toBeVisible();
  expect(await sendTest(page)).toBe(202);
  await expect.poll(() => server.output().split(title).length - 1).toBe(2);
  expect(service.messages).toHaveLength(1);
});

test("the worker opens pages of this server and no others", async ({ page, context }) => {
  await context.grantPermissions(["notifications"], { origin: server.url });
  await subscribesAt(context, pushBrowser(service.endpoint));
  await signIn(page);
  const started = context.waitForEvent("serviceworker");
  await page.getByRole("button", { name: "Notify this browser" }).click();
  const worker = await started;
  const opened = await worker.evaluate(async () => {
    const scope = self as unknown as EventTarget & { clients: { openWindow(url: string): Promise<null> } };
    const urls: string[] = [];
    // Only a person's click may open a window: here it is noted what would be.
    scope.clients.openWindow = async (url) => {
      urls.push(url);
      return null;
    };
    for (const url of [
      `${location.origin}/approve/1`,
      "https://evil.example/",
      "javascript:alert(1)",
      "/inbox",
    ]) {
      const waiting: Promise<unknown>[] = [];
      const event = Object.assign(new Event("notificationclick"), {
        notification: { close: () => {}, data: { url } },
        waitUntil: (work: Promise<unknown>) => waiting.push(work),
      });
      scope.dispatchEvent(event);
      await Promise.all(waiting);
    }
    return urls;
  });
  expect(opened).toEqual([`${server.url}/approve/1`, `${server.url}/inbox`]);
});

test("who does not let the browser notify is told what to do", async ({ page, context }) => {
  await context.addInitScript(() => {
    Notification.requestPermission = async () => "denied";
  });
  await signIn(page);
  await page.getByRole("button", { name: "Notify this browser" }).click();
  await expect(page.getByRole("status")).toHaveText(
    "This browser does not allow notifications here. Allow them in its settings, then press again.",
  );
  await expectAccessible(page);
});

test.describe("without scripts", () => {
  test.use({ javaScriptEnabled: false });
  test("the page offers no button that could not work", async ({ page }) => {
    await signIn(page);
    await expect(page.getByRole("button", { name: "Notify this browser" })).toHaveCount(0);
  });
});

test("a webhook that was not taken is tried again by itself, with the same id", async () => {
  const ids: (string | undefined)[] = [];
  const listener = createServer((request, response) => {
    ids.push(request.headers["webhook-id"]?.toString());
    response.writeHead(ids.length === 1 ? 500 : 204).end();
  }).listen(0, "127.0.0.1");
  await once(listener, "listening");
  const key = "operator-key-for-tests-only";
  const address = listener.address();
  const hooked = await startServer({
    env: {
      AUTHGENT_ADMIN_API_KEY: key,
      AUTHGENT_WEBHOOK_URL: `http://127.0.0.1:${address && typeof address === "object" ? address.port : ""}/`,
      AUTHGENT_WEBHOOK_HMAC_SECRET: "a-secret-of-24-characters",
    },
  });
  const response = await fetch(`${hooked.url}/notifications/test`, {
    method: "POST",
    headers: { "content-type": "application/json", "x-admin-key": key },
    body: "{}",
  });
  expect(response.status).toBe(202);
  await expect.poll(() => ids.length, { timeout: 10_000 }).toBe(2);
  expect(ids[1]).toBe(ids[0]);
  listener.close();
  await hooked.stop();
});

test("the worker is served with a policy of its own, and without a cookie", async () => {
  const response = await fetch(`${server.url}/push-worker.js`);
  expect(response.status).toBe(200);
  const names = ["content-security-policy", "x-content-type-options", "cache-control", "set-cookie"];
  expect(names.map((name) => response.headers.get(name))).toEqual([
    "default-src 'none'",
    "nosniff",
    "no-cache",
    null,
  ]);
  expect(response.headers.get("content-type")).toMatch(/^(?:application|text)\/javascript/);
});
