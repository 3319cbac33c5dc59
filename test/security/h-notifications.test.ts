import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { pushSubscriptions } from "@/db/schema/push-subscriptions";
import { subscribeBrowser } from "@/lib/services/push-subscriptions";
import { connect, newBrowser } from "@/test/support/client";
import type { TestContext } from "@/test/support/context";
import { later, serverWith, tell } from "@/test/support/notifications";
import { PUBLIC_ENV } from "@/test/support/public-server";
import { pushBrowser } from "@/test/support/push-browser";
import { jsonOf, type Received, type Receiver, receiver } from "@/test/support/receivers";

const SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const OTHER = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

let hook: Receiver;
beforeAll(async () => {
  hook = await receiver();
});
afterAll(() => hook.close());

describe("150: addresses that a browser chose", () => {
  let t: TestContext;
  beforeAll(async () => {
    t = await serverWith(PUBLIC_ENV);
    await t.ctx.db.delete(pushSubscriptions);
  });

  const INSIDE = [
    "http://push.example.com/x",
    "https://localhost/x",
    "https://localhost./x",
    "https://push.localhost/x",
    "https://metadata.google.internal/x",
    "https://printer.local/x",
    "https://127.0.0.1/x",
    "https://2130706433/x",
    "https://0x7f.1/x",
    "https://0177.0.0.1/x",
    "https://10.0.0.1/x",
    "https://172.16.0.1/x",
    "https://192.168.1.1/x",
    "https://169.254.169.254/x",
    "https://100.64.0.1/x",
    "https://0.0.0.0/x",
    "https://192.0.0.1/x",
    "https://198.18.0.1/x",
    "https://224.0.0.1/x",
    "https://[::1]/x",
    "https://[::]/x",
    "https://[fc00::1]/x",
    "https://[fe80::1]/x",
    "https://[::ffff:10.0.0.1]/x",
    "https://[64:ff9b::a00:1]/x",
    "https://[2002:a00:1::1]/x",
    "https://user:secret@push.example.com/x",
  ];

  it.each(INSIDE)("%s is not stored", async (endpoint) => {
    const c = connect(t);
    const headers = {
      ...c.cookies({ person: await c.signIn(), browser: newBrowser() }),
      origin: "https://auth.example.com",
    };
    const response = await c.json("/me/push-subscriptions", pushBrowser(endpoint).subscription, headers);
    const { status, errors } = { status: response.status, ...(await response.json()) };
    expect({ status, errors }).toEqual({
      status: 422,
      errors: [{ field: "endpoint", message: "must be the https address of a push service" }],
    });
    expect(await t.ctx.db.select().from(pushSubscriptions)).toEqual([]);
  });

  it.each(["https://8.8.8.8/push", "https://[2606:4700::1111]/push"])("%s is", async (endpoint) => {
    const c = connect(t);
    const headers = {
      ...c.cookies({ person: await c.signIn(), browser: newBrowser() }),
      origin: "https://auth.example.com",
    };
    const response = await c.json("/me/push-subscriptions", pushBrowser(endpoint).subscription, headers);
    expect(response.status).toBe(204);
    await t.ctx.db.delete(pushSubscriptions);
  });

  it("is asked again when something is sent: an address that was stored before leads nowhere inside", async () => {
    const c = connect(t);
    const { user } = await c.signIn();
    const { subscription } = pushBrowser(`http://${hook.host}/push`);
    await subscribeBrowser(t.ctx, { userId: user.id, browser: newBrowser(), subscription });
    await tell(t, { recipients: [user.id] });
    expect(hook.received).toEqual([]);
    await t.ctx.db.delete(pushSubscriptions);
  });

  it("what a push service answers is kept nowhere and told nobody", async () => {
    const local = await serverWith({});
    const c = connect(local);
    const { user } = await c.signIn();
    const { subscription } = pushBrowser(`http://${hook.host}/push`);
    await subscribeBrowser(local.ctx, { userId: user.id, browser: newBrowser(), subscription });
    hook.handles((_, response) => response.writeHead(500).end("the-secret-of-a-neighbour"));
    const { id } = await tell(local, { recipients: [user.id] });
    await later(local, 5);
    const rows = await local.ctx.db.query.outbox.findMany();
    expect(JSON.stringify([rows, local.lines])).not.toContain("the-secret-of-a-neighbour");
    expect(
      rows.map(({ notificationId, channel, lastError }) => [notificationId, channel, lastError]),
    ).toEqual(expect.arrayContaining([[id, "web-push", `${hook.host} answered 500`]]));
    await local.ctx.db.delete(pushSubscriptions);
    hook.answers(204);
  });
});

describe("151: what a receiver refuses, with examples/webhook-receiver", () => {
  const EXAMPLE = new URL("../../examples/webhook-receiver/verify.mjs", import.meta.url);
  type Headers = { get(name: string): string | null };
  let isAuthentic: (secret: string, headers: Headers, body: string | Buffer, now: number) => boolean;
  let message: Received;
  let at: number;

  beforeAll(async () => {
    ({ isAuthentic } = await import(EXAMPLE.href));
    const t = await serverWith({
      AUTHGENT_WEBHOOK_URL: hook.url,
      AUTHGENT_WEBHOOK_HMAC_SECRET: `${SECRET} ${OTHER}`,
    });
    hook.received.length = 0;
    await tell(t);
    message = hook.received[0] ?? expect.fail("nothing came");
    at = Number(message.headers["webhook-timestamp"]);
  });

  const headers = (changed: Record<string, string | undefined> = {}) => {
    const all: Record<string, unknown> = { ...message.headers, ...changed };
    return { get: (name: string) => (all[name] === undefined ? null : String(all[name])) };
  };
  const signatures = () => String(message.headers["webhook-signature"]).split(" ");

  it.each([
    ["the new secret", SECRET],
    ["the old one, while it changes", OTHER],
  ])("takes a message by %s", (_, secret) => {
    expect(isAuthentic(secret, headers(), message.body, at)).toBe(true);
  });

  it.each([-300, 300])("takes one that is %d seconds off", (seconds) => {
    expect(isAuthentic(SECRET, headers(), message.body, at + seconds)).toBe(true);
  });

  it.each([-301, 301])("refuses one that is %d seconds off, such as an old one sent again", (seconds) => {
    expect(isAuthentic(SECRET, headers(), message.body, at + seconds)).toBe(false);
  });

  it("refuses an old one with a new time", () => {
    const later = at + 1000;
    const changed = headers({ "webhook-timestamp": `${later}` });
    expect(isAuthentic(SECRET, changed, message.body, later)).toBe(false);
  });

  const REFUSED: [string, () => [secret: string, headers: Headers, body: string | Buffer]][] = [
    ["another body", () => [SECRET, headers(), JSON.stringify({ ...jsonOf(message), risk: "low" })]],
    ["a body with one more space", () => [SECRET, headers(), `${message.body} `]],
    ["another id", () => [SECRET, headers({ "webhook-id": "other" }), message.body]],
    ["no id", () => [SECRET, headers({ "webhook-id": undefined }), message.body]],
    ["no signature", () => [SECRET, headers({ "webhook-signature": undefined }), message.body]],
    ["an empty one", () => [SECRET, headers({ "webhook-signature": "" }), message.body]],
    [
      "the scheme v0",
      () => [
        SECRET,
        headers({ "webhook-signature": signatures().join(" ").replace(/v1,/g, "v0,") }),
        message.body,
      ],
    ],
    [
      "half a signature",
      () => [SECRET, headers({ "webhook-signature": signatures()[0]?.slice(0, 20) }), message.body],
    ],
    [
      "two wrong ones",
      () => [SECRET, headers({ "webhook-signature": `v1,AAAA ${signatures()[1]}` }), message.body],
    ],
    ["no time", () => [SECRET, headers({ "webhook-timestamp": undefined }), message.body]],
    ["a time that is none", () => [SECRET, headers({ "webhook-timestamp": "NaN" }), message.body]],
    ["another secret", () => [`whsec_${"B".repeat(32)}`, headers(), message.body]],
  ];
  it.each(REFUSED)("refuses %s", (_, changed) => {
    const [secret, head, body] = changed();
    expect(isAuthentic(secret, head, body, at)).toBe(false);
  });
});
