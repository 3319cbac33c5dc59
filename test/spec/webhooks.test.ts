import { spawn } from "node:child_process";
import { createHmac } from "node:crypto";
import { once } from "node:events";
import { eq } from "drizzle-orm";
import { Webhook } from "standardwebhooks";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { outbox } from "@/db/schema/outbox";
import { later, serverWith, tell } from "@/test/support/notifications";
import { jsonOf, type Received, type Receiver, receiver } from "@/test/support/receivers";

const SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const OLDER = "an-older-secret-of-the-operator";

let hook: Receiver;

beforeEach(async () => {
  hook = await receiver();
});
afterEach(() => hook.close());

const server = (more: Record<string, string> = {}) =>
  serverWith({ AUTHGENT_WEBHOOK_URL: hook.url, AUTHGENT_WEBHOOK_HMAC_SECRET: SECRET, ...more });

const only = (received: readonly Received[]): Received => {
  const [first] = received;
  if (!first || received.length !== 1) throw new Error(`received ${received.length} messages`);
  return first;
};

/** The headers of a message as other libraries want them. */
const textHeaders = ({ headers }: Received): Record<string, string> =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)]));

describe("a webhook", () => {
  it("says what is asked, by whom and until when, beside what an earlier system said", async () => {
    const t = await server();
    const notification = await tell(t, {
      bindingCode: "42",
      data: {
        agent_id: "agnt_1",
        action: "payments:send",
        resource: "https://pay.example",
        delegation_chain: [],
        context: {},
      },
    });
    const message = only(hook.received);
    expect(jsonOf(message)).toEqual({
      agent_id: "agnt_1",
      action: "payments:send",
      resource: "https://pay.example",
      delegation_chain: [],
      context: {},
      id: notification.approvalId,
      type: "stepup_approval_request",
      event: "approval.requested",
      notification_id: notification.id,
      title: "search-bot wants to send 1 payment of 250 EUR to ACME",
      requester: "search-bot",
      risk: "high",
      binding_code: "42",
      expires_at: notification.expiresAt.toISOString(),
      url: `http://localhost:8000/approve/${notification.approvalId}`,
    });
    expect(message.headers).toMatchObject({
      "content-type": "application/json",
      "x-authgent-event": "stepup.requested",
      "x-authgent-request-id": notification.approvalId,
    });
  });

  it("what an agent says stands in no member of ours", async () => {
    const t = await server();
    await tell(t, {
      data: { url: "https://evil.example/approve", title: "Nothing", id: "other", risk: "low" },
    });
    const { url, title, risk } = jsonOf(only(hook.received));
    expect({ url, title, risk }).toEqual({
      url: expect.stringMatching(/^http:\/\/localhost:8000\/approve\//),
      title: "search-bot wants to send 1 payment of 250 EUR to ACME",
      risk: "high",
    });
  });

  it.each([
    ["approval.decided", "stepup.decided", "stepup_approval_decided"],
    ["approval.expired", "stepup.expired", "stepup_approval_expired"],
    ["notification.test", "notification.test", "notification_test"],
  ] as const)("%s is told as %s", async (event, header, type) => {
    const t = await server();
    await tell(t, { event });
    const message = only(hook.received);
    expect([message.headers["x-authgent-event"], jsonOf(message).type]).toEqual([header, type]);
  });

  it("is signed so that another implementation of Standard Webhooks takes it", async () => {
    const t = await server();
    await tell(t);
    const message = only(hook.received);
    expect(new Webhook(SECRET).verify(message.body, textHeaders(message))).toEqual(jsonOf(message));
  });

  it("is signed with a secret that is no base64 by its bytes", async () => {
    const t = await server({ AUTHGENT_WEBHOOK_HMAC_SECRET: OLDER });
    await tell(t);
    const message = only(hook.received);
    expect(new Webhook(OLDER, { format: "raw" }).verify(message.body, textHeaders(message))).toEqual(
      jsonOf(message),
    );
  });

  it("while the secret changes, is taken by who knows the new one and by who knows the old one", async () => {
    const t = await server({ AUTHGENT_WEBHOOK_HMAC_SECRET: `${SECRET} ${OLDER}` });
    await tell(t);
    const message = only(hook.received);
    const taken = [new Webhook(SECRET), new Webhook(OLDER, { format: "raw" })].map((known) =>
      known.verify(message.body, textHeaders(message)),
    );
    expect(taken).toEqual([jsonOf(message), jsonOf(message)]);
  });

  it("is signed over its body as an earlier system did", async () => {
    const t = await server();
    await tell(t);
    const { headers, body } = only(hook.received);
    const expected = createHmac("sha256", SECRET).update(body).digest("hex");
    expect(headers["x-authgent-signature-256"]).toBe(`sha256=${expected}`);
  });

  it("a further try has the same id and a signature of its own time", async () => {
    const t = await server();
    hook.answers(500);
    await tell(t);
    await later(t, 100);
    const [first, second] = hook.received;
    expect(first?.headers["webhook-id"]).toMatch(/^[0-9a-f-]{36}$/);
    expect(second?.headers["webhook-id"]).toBe(first?.headers["webhook-id"]);
    const times = [first, second].map((one) => Number(one?.headers["webhook-timestamp"]));
    expect((times[1] ?? 0) - (times[0] ?? 0)).toBe(100);
    expect(second?.headers["webhook-signature"]).not.toBe(first?.headers["webhook-signature"]);
  });

  it("two notifications have two ids", async () => {
    const t = await server();
    await tell(t);
    await tell(t);
    expect(new Set(hook.received.map(({ headers }) => headers["webhook-id"])).size).toBe(2);
  });
});

describe("examples/webhook-receiver", () => {
  it("takes what its secret signed, once, and nothing else", async () => {
    const { host } = hook;
    await hook.close();
    const example = spawn(process.execPath, ["examples/webhook-receiver/main.mjs"], {
      env: { NODE_ENV: "test", PORT: host.split(":")[1], SECRET },
      stdio: ["ignore", "pipe", "inherit"],
    });
    try {
      let printed = "";
      example.stdout.setEncoding("utf8").on("data", (text: string) => {
        printed += text;
      });
      await once(example.stdout, "data");
      const t = await server({ AUTHGENT_WEBHOOK_RETRIES: "0" });
      const { url, title } = await tell(t);
      await tell(await server({ AUTHGENT_WEBHOOK_HMAC_SECRET: OLDER, AUTHGENT_WEBHOOK_RETRIES: "0" }));
      await expect
        .poll(() => printed.split("\n").slice(1))
        .toEqual([`approval.requested: ${title}`, `  ${url}`, ""]);
      const [refused] = await t.ctx.db.select().from(outbox).where(eq(outbox.channel, "webhook"));
      expect([refused?.status, refused?.lastError]).toEqual(["failed", `${host} answered 401`]);
    } finally {
      example.kill();
    }
  });
});
