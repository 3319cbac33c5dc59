import { sql } from "drizzle-orm";
import { createLocalJWKSet, jwtVerify } from "jose";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { rowsOf } from "@/db/client";
import { installation } from "@/db/schema/installation";
import { pushSubscriptions } from "@/db/schema/push-subscriptions";
import { vapidKeys } from "@/lib/services/installation";
import { type Connection, connect, newBrowser, type Person, refusalOf } from "@/test/support/client";
import { type TestContext, twoInstances, unique } from "@/test/support/context";
import { later, serverWith, tell } from "@/test/support/notifications";
import { type PushBrowser, pushBrowser } from "@/test/support/push-browser";
import { type Receiver, receiver } from "@/test/support/receivers";

const ORIGIN = "http://localhost:8000";
const PATH = "/me/push-subscriptions";

let service: Receiver;
let t: TestContext;
let c: Connection;
let ada: Person;

beforeEach(async () => {
  service = await receiver();
  t = await serverWith({});
  await t.ctx.db.delete(pushSubscriptions);
  c = connect(t);
  ada = await c.signIn();
});
afterEach(() => service.close());

const newEndpoint = () => `http://${service.host}/push/${unique()}`;

/** Presses "Notify this browser", as the person and in the browser given. */
async function subscribe(person = ada, browser = newBrowser(), device = pushBrowser(newEndpoint())) {
  const headers = { ...c.cookies({ person, browser }), origin: ORIGIN };
  const response = await c.json(PATH, { ...device.subscription, expirationTime: null }, headers);
  expect(response.status).toBe(204);
  return { ...device, browser, headers };
}

/** What a browser was pushed, as it reads it. */
const readBy = (device: PushBrowser) =>
  service.received
    .filter(({ path }) => device.subscription.endpoint.endsWith(path))
    .map((message) => device.read(message));

const subscriptions = () => t.ctx.db.select().from(pushSubscriptions);

describe("a push message", () => {
  it("RFC 8291 §3: only the browser reads it, and it has a sentence and a link", async () => {
    const device = await subscribe();
    const { url } = await tell(t, { recipients: [ada.user.id], data: { iban: "DE02" }, bindingCode: "42" });
    expect(readBy(device)).toEqual([{ title: "search-bot wants to send 1 payment of 250 EUR to ACME", url }]);
    const [{ body } = { body: Buffer.of() }] = service.received;
    expect(body.toString("latin1")).not.toContain("search-bot");
  });

  it("RFC 8291 §4: is one aes128gcm record", async () => {
    await subscribe();
    await tell(t, { recipients: [ada.user.id] });
    expect(service.received[0]?.headers["content-encoding"]).toBe("aes128gcm");
    expect(service.received[0]?.body.readUInt32BE(16)).toBe(4096);
  });

  it("RFC 8292 §2: says who sends it, signed for this push service alone, with the key that browsers subscribed to", async () => {
    await subscribe();
    await tell(t, { recipients: [ada.user.id] });
    const header = String(service.received[0]?.headers.authorization);
    const [, jwt = "", key = ""] = /^vapid t=([\w.-]+), ?k=([\w-]+)$/.exec(header) ?? [];
    const { publicKey } = await vapidKeys(t.ctx);
    expect(key).toBe(publicKey);
    const point = Buffer.from(key, "base64url");
    const jwk = {
      kty: "EC",
      crv: "P-256",
      x: point.subarray(1, 33).toString("base64url"),
      y: point.subarray(33).toString("base64url"),
    };
    const { payload } = await jwtVerify(jwt, createLocalJWKSet({ keys: [jwk] }), {
      audience: `http://${service.host}`,
      algorithms: ["ES256"],
    });
    // "MUST NOT be more than 24 hours from the time of the request"
    expect((payload.exp ?? 0) - Date.now() / 1000).toBeLessThanOrEqual(86_400);
    expect(payload.sub).toBe("mailto:admin@localhost");
  });

  it("RFC 8030 §5.2: is worth nothing after the approval ends, and goes at once", async () => {
    await subscribe();
    await tell(t, { recipients: [ada.user.id] });
    const { ttl, urgency } = service.received[0]?.headers ?? {};
    expect(Number(ttl)).toBeGreaterThan(290);
    expect(Number(ttl)).toBeLessThanOrEqual(300);
    expect(urgency).toBe("high");
  });

  it("RFC 8030 §5.4: what became of a request takes the place of the request", async () => {
    await subscribe();
    const { approvalId } = await tell(t, { recipients: [ada.user.id] });
    await tell(t, { recipients: [ada.user.id], event: "approval.decided", approvalId });
    await tell(t, { recipients: [ada.user.id] });
    const topics = service.received.map(({ headers }) => headers.topic);
    expect(topics[0]).toMatch(/^[\w-]{32}$/);
    expect(topics[1]).toBe(topics[0]);
    expect(topics[2]).not.toBe(topics[0]);
  });

  it("goes to every browser of the person, and to nobody else's", async () => {
    const [phone, laptop] = [await subscribe(), await subscribe()];
    const eves = await subscribe(await c.signIn());
    await tell(t, { recipients: [ada.user.id] });
    expect([phone, laptop, eves].map((device) => readBy(device).length)).toEqual([1, 1, 0]);
  });

  it.each([404, 410])("RFC 8030 §7.3: %d ends the subscription", async (status) => {
    await subscribe();
    service.answers(status);
    await tell(t, { recipients: [ada.user.id] });
    expect(await subscriptions()).toEqual([]);
    service.answers(201);
    await tell(t, { recipients: [ada.user.id] });
    await later(t, 60);
    expect(service.received).toHaveLength(1);
  });

  it.each([429, 500, 503])("%d is tried again, and the subscription stays", async (status) => {
    const device = await subscribe();
    service.answers(status);
    await tell(t, { recipients: [ada.user.id] });
    service.answers(201);
    await later(t, 5);
    expect(readBy(device)).toHaveLength(2);
    expect(await subscriptions()).toHaveLength(1);
  });
});

describe("the key that push services know this server by", () => {
  it("is made once, by whichever instance is first", async () => {
    const [first, second, end] = await twoInstances();
    await first.ctx.db.update(installation).set({ vapidKeyJwe: null });
    const keys = await Promise.all([first, second, first, second].map(({ ctx }) => vapidKeys(ctx)));
    expect(new Set(keys.map(({ publicKey }) => publicKey)).size).toBe(1);
    await end();
  });

  it("is stored encrypted", async () => {
    const { privateKey } = await vapidKeys(t.ctx);
    const [row] = await t.ctx.db.select().from(installation);
    expect(row?.vapidKeyJwe).toMatch(/^eyJ/);
    expect(row?.vapidKeyJwe).not.toContain(privateKey);
  });
});

describe("POST and DELETE /me/push-subscriptions", () => {
  it("a subscription is stored encrypted", async () => {
    const { subscription } = await subscribe();
    const [row] = await rowsOf<{ row: string }>(
      t.ctx.db.execute(sql`select push_subscriptions::text as row from push_subscriptions`),
    );
    const { endpoint, keys } = subscription;
    expect([endpoint, keys.auth, keys.p256dh].filter((secret) => row?.row.includes(secret))).toEqual([]);
  });

  it("a browser has one: a new endpoint replaces the old one", async () => {
    const { browser, ...before } = await subscribe();
    const after = await subscribe(ada, browser);
    await tell(t, { recipients: [ada.user.id] });
    expect([readBy(before).length, readBy(after).length]).toEqual([0, 1]);
  });

  it("it is whose it was last, so that who shares a computer reads only their own", async () => {
    const device = await subscribe();
    const eve = await c.signIn();
    await subscribe(eve, device.browser, device);
    await tell(t, { recipients: [ada.user.id] });
    expect(readBy(device)).toEqual([]);
  });

  it("a person has ten at most, the newest", async () => {
    const devices = [];
    for (let count = 0; count < 12; count += 1) {
      devices.push(await subscribe());
      t.advance(1);
    }
    await tell(t, { recipients: [ada.user.id] });
    expect(devices.map((device) => readBy(device).length)).toEqual([0, 0, ...Array(10).fill(1)]);
  });

  it("DELETE ends that of this browser alone", async () => {
    const [phone, laptop] = [await subscribe(), await subscribe()];
    expect((await c.call(PATH, { method: "DELETE", headers: phone.headers })).status).toBe(204);
    await tell(t, { recipients: [ada.user.id] });
    expect([phone, laptop].map((device) => readBy(device).length)).toEqual([0, 1]);
  });

  it("signing out ends it too", async () => {
    const device = await subscribe();
    await c.post("/logout", "account", {}, { person: ada, browser: device.browser });
    await tell(t, { recipients: [ada.user.id] });
    expect(readBy(device)).toEqual([]);
  });

  it.each([
    ["no key", { keys: { auth: "AAAAAAAAAAAAAAAAAAAAAA" } }],
    [
      "a key that is no point of the curve",
      { keys: { p256dh: "B".repeat(87), auth: "AAAAAAAAAAAAAAAAAAAAAA" } },
    ],
    ["a short secret", { auth: "AAAA" }],
    ["no address", { endpoint: "not an address" }],
    ["something else", { extra: true }],
  ])("%s is refused", async (_, more) => {
    const { subscription } = pushBrowser(newEndpoint());
    const { auth, ...rest } = { auth: subscription.keys.auth, ...more };
    const body = { ...subscription, keys: { ...subscription.keys, auth }, ...rest };
    const headers = { ...c.cookies({ person: ada, browser: newBrowser() }), origin: ORIGIN };
    expect(await refusalOf(await c.json(PATH, body, headers))).toEqual({
      status: 422,
      error: "validation_failed",
    });
  });

  it("security 157: another site cannot subscribe somebody", async () => {
    const { subscription } = pushBrowser(newEndpoint());
    const cookies = c.cookies({ person: ada, browser: newBrowser() });
    const refused = [];
    for (const headers of [{}, { origin: "https://evil.example" }, { origin: "null" }])
      refused.push((await c.json(PATH, subscription, { ...cookies, ...headers })).status);
    expect(refused).toEqual([403, 403, 403]);
  });
});
