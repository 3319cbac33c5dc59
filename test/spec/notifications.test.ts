import { eq } from "drizzle-orm";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { events } from "@/db/schema/events";
import { outbox } from "@/db/schema/outbox";
import { pushSubscriptions } from "@/db/schema/push-subscriptions";
import { subscribeBrowser } from "@/lib/services/push-subscriptions";
import { newBrowser, type Person, refusalOf } from "@/test/support/client";
import { serverWith } from "@/test/support/notifications";
import { operate, PUBLIC_ENV, type PublicServer } from "@/test/support/public-server";
import { pushBrowser } from "@/test/support/push-browser";
import { jsonOf, type MailServer, mailServer, type Receiver, receiver } from "@/test/support/receivers";

let hook: Receiver;
let team: Receiver;
let mail: MailServer;
let s: PublicServer;

beforeEach(async () => {
  [hook, team, mail] = [await receiver(), await receiver(), await mailServer()];
  s = operate(
    await serverWith({
      ...PUBLIC_ENV,
      AUTHGENT_WEBHOOK_URL: hook.url,
      AUTHGENT_WEBHOOK_HMAC_SECRET: "a-secret-of-24-characters",
      AUTHGENT_SLACK_WEBHOOK_URL: team.url,
      AUTHGENT_SMTP_URL: mail.url,
      AUTHGENT_SMTP_FROM: "authgent@example.com",
    }),
  );
  await s.t.ctx.db.delete(pushSubscriptions);
});
afterEach(() => Promise.all([hook, team, mail].map((one) => one.close())));

const asAdmin = (person: Person) => ({
  ...s.c.cookies({ person, browser: newBrowser() }),
  origin: "https://auth.example.com",
});

const test = async (headers: Record<string, string>, body: unknown = {}) => {
  const response = await s.c.json("/notifications/test", body, headers);
  await s.t.settled();
  return response;
};

const look = async (id: string) => (await s.c.call(`/notifications/${id}`, { headers: s.operator })).json();

describe("POST /notifications/test", () => {
  it("goes out by every channel that is set up, and says so", async () => {
    const admin = await s.c.signIn("admin");
    const { subscription } = pushBrowser(`http://${hook.host}/push`);
    await subscribeBrowser(s.t.ctx, { userId: admin.user.id, browser: newBrowser(), subscription });
    const response = await test(asAdmin(admin));
    expect(response.status).toBe(202);
    const { id, channels } = await response.json();
    expect(response.headers.get("location")).toBe(`/notifications/${id}`);
    expect(channels).toEqual([
      { channel: "console", configured: false, queued: 0 },
      { channel: "web-push", configured: true, queued: 1 },
      { channel: "email", configured: true, queued: 1 },
      { channel: "slack", configured: true, queued: 1 },
      { channel: "webhook", configured: true, queued: 1 },
    ]);
    const title = "This is a test message from auth.example.com";
    expect(hook.received.map((one) => jsonOf(one))).toMatchObject([
      { type: "notification_test", event: "notification.test", title, url: "https://auth.example.com/me" },
    ]);
    expect(jsonOf(team.received[0] ?? expect.fail()).text).toContain(title);
    expect(mail.mails.map(({ to }) => to)).toEqual([[admin.user.email]]);
    expect(mail.mails[0]?.raw).toContain(`Subject: ${title}`);
  });

  it("by the operator's key reaches what belongs to nobody, and a person who is named", async () => {
    const queuedFor = async (body: unknown) => {
      const { channels } = await (await test(s.operator, body)).json();
      return channels
        .filter(({ queued }: { queued: number }) => queued > 0)
        .map(({ channel }: { channel: string }) => channel);
    };
    const { user } = await s.c.signIn();
    expect(await queuedFor({})).toEqual(["slack", "webhook"]);
    expect(await queuedFor({ user: user.id })).toEqual(["email", "slack", "webhook"]);
  });

  it("names nobody who is not there", async () => {
    expect(await refusalOf(await test(s.operator, { user: "01ARZ3NDEKTSV4RRFFQ69G5FAV" }))).toEqual({
      status: 404,
      error: "not_found",
    });
  });

  it("is in the audit trail", async () => {
    const { id } = await (await test(s.operator)).json();
    const rows = await s.t.ctx.db.select().from(events).where(eq(events.type, "notification.tested"));
    expect(rows.map(({ actor, data }) => ({ actor, data }))).toContainEqual({
      actor: "operator",
      data: { notification: id },
    });
  });
});

describe("GET /notifications/{id}", () => {
  it("says what arrived where, and why something did not", async () => {
    hook.answers(410);
    const { id } = await (await test(s.operator)).json();
    const { event, deliveries } = await look(id);
    expect(event).toBe("notification.test");
    expect(deliveries).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ channel: "slack", status: "delivered", attempts: 1, last_error: null }),
        expect.objectContaining({
          channel: "webhook",
          receiver: "webhook",
          status: "failed",
          attempts: 1,
          last_error: `${hook.host} answered 410`,
        }),
      ]),
    );
    const delivery = deliveries.find(({ channel }: { channel: string }) => channel === "webhook");
    expect(delivery.id).toBe(hook.received[0]?.headers["webhook-id"]);
  });

  it("does not know what never was", async () => {
    const response = await s.c.call("/notifications/01890a5d-ac96-774b-bcce-b302099a8057", {
      headers: s.operator,
    });
    expect(await refusalOf(response)).toEqual({ status: 404, error: "not_found" });
  });
});

describe("while receivers are slow", () => {
  it("R20: a token is issued as if there were none, and its connection is not held", async () => {
    hook.handles(() => {});
    team.handles(() => {});
    const app = await s.createService();
    const asks = async () => {
      const from = performance.now();
      expect((await s.c.token(app, { grant_type: "client_credentials" })).status).toBe(200);
      return performance.now() - from;
    };
    for (let count = 0; count < 20; count += 1) await s.c.json("/notifications/test", {}, s.operator);
    await hook.until(8);
    const times = [];
    for (let count = 0; count < 20; count += 1) times.push(await asks());
    expect(times.sort((a, b) => a - b)[10]).toBeLessThan(1000);
    // Eight are on their way to machines, three to people; the others wait in the outbox and hold nothing.
    expect([hook.received.length, team.received.length]).toEqual([8, 3]);
    await s.t.ctx.db.delete(outbox);
    hook.answers(204);
    team.answers(204);
    await Promise.all([hook.close(), team.close()]);
    await s.t.settled();
    await s.t.ctx.db.delete(outbox);
  });

  it("what is queued arrives within a second (p95)", async () => {
    const times: number[] = [];
    for (let count = 0; count < 40; count += 1) {
      const from = performance.now();
      await s.c.json("/notifications/test", {}, s.operator);
      await s.t.settled();
      times.push((hook.received.at(-1)?.at ?? Number.NaN) - from);
    }
    expect(hook.received).toHaveLength(40);
    expect(times.sort((a, b) => a - b)[38]).toBeLessThan(1000);
  });
});
