import { eq } from "drizzle-orm";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { events } from "@/db/schema/events";
import { outbox } from "@/db/schema/outbox";
import { inTransaction } from "@/lib/context";
import { enqueue, pruneOutbox } from "@/lib/services/outbox";
import { connect } from "@/test/support/client";
import { type TestContext, twoInstances } from "@/test/support/context";
import { later, queue, serverWith, tell } from "@/test/support/notifications";
import { jsonOf, type Receiver, receiver } from "@/test/support/receivers";
import { requestFor } from "@/test/support/request";

const SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

let hook: Receiver;
let team: Receiver;
let open: Receiver[];

beforeEach(async () => {
  hook = await receiver();
  team = await receiver();
  open = [hook, team];
});
afterEach(() => Promise.all(open.map((one) => one.close())));

const webhookEnv = () => ({ AUTHGENT_WEBHOOK_URL: hook.url, AUTHGENT_WEBHOOK_HMAC_SECRET: SECRET });
const slackEnv = () => ({ AUTHGENT_SLACK_WEBHOOK_URL: team.url });

const idsAt = ({ received }: Receiver) => received.map(({ headers }) => headers["webhook-id"]);
const textsAt = ({ received }: Receiver) => received.map((one) => jsonOf(one).text.split("\n")[0]);

/** How the deliveries by one channel stand. */
const statesOf = ({ ctx }: TestContext, channel: string) =>
  ctx.db
    .select({ status: outbox.status, attempts: outbox.attempts, error: outbox.lastError })
    .from(outbox)
    .where(eq(outbox.channel, channel))
    .orderBy(outbox.status);

const failures = ({ ctx }: TestContext) =>
  ctx.db.select({ data: events.data }).from(events).where(eq(events.type, "notification.failed"));

describe("queueing", () => {
  it("a transaction that is rolled back tells nobody", async () => {
    const t = await serverWith(webhookEnv());
    const failed = inTransaction(t.ctx, async (tx) => {
      await enqueue(tx, requestFor(t.ctx));
      throw new Error("changed its mind");
    });
    await expect(failed).rejects.toThrow("changed its mind");
    await t.settled();
    await t.ctx.courier.deliver();
    expect(hook.received).toEqual([]);
  });

  it("nothing is delivered before the commit", async () => {
    const t = await serverWith(webhookEnv());
    await inTransaction(t.ctx, async (tx) => {
      await enqueue(tx, requestFor(t.ctx));
      // What is deferred within a transaction has not begun.
      await t.settled();
      expect(hook.received).toEqual([]);
    });
    await t.settled();
    expect(hook.received).toHaveLength(1);
  });

  it("twice is once", async () => {
    const t = await serverWith(webhookEnv());
    const notification = await tell(t);
    await tell(t, notification);
    expect(hook.received).toHaveLength(1);
  });

  it("a row holds no address and no secret", async () => {
    const t = await serverWith({ ...webhookEnv(), ...slackEnv() });
    const { user } = await connect(t).signIn();
    await queue(t, { recipients: [user.id], data: { amount: "250.00" } });
    const rows = JSON.stringify(await t.ctx.db.select().from(outbox));
    expect([hook.host, team.host, user.email, SECRET].filter((one) => rows.includes(one))).toEqual([]);
    // What machines are sent is no business of a channel that does not send it.
    expect(rows.match(/250\.00/g)).toHaveLength(1);
  });
});

describe("a receiver that does not take it", () => {
  it("is tried again after 1, 5 and 30 seconds, and then never", async () => {
    const t = await serverWith(webhookEnv());
    hook.answers(500);
    await tell(t);
    const seen = [hook.received.length];
    for (const seconds of [0.9, 0.3, 4.9, 1.2, 29.9, 6.2, 3600]) {
      await later(t, seconds);
      seen.push(hook.received.length);
    }
    expect(seen).toEqual([1, 1, 2, 2, 3, 3, 4, 4]);
    expect(new Set(idsAt(hook)).size).toBe(1);
    const error = `${hook.host} answered 500`;
    expect(await statesOf(t, "webhook")).toEqual([{ status: "failed", attempts: 4, error }]);
    expect((await failures(t)).map(({ data }) => data)).toContainEqual(
      expect.objectContaining({ channel: "webhook", attempts: 4, error, delivery: idsAt(hook)[0] }),
    );
  });

  it("AUTHGENT_WEBHOOK_RETRIES and AUTHGENT_WEBHOOK_BACKOFF say how often and when", async () => {
    const t = await serverWith({
      ...webhookEnv(),
      AUTHGENT_WEBHOOK_RETRIES: "2",
      AUTHGENT_WEBHOOK_BACKOFF: "10",
    });
    hook.answers(503);
    await tell(t);
    await later(t, 9);
    expect(hook.received).toHaveLength(1);
    await later(t, 4);
    expect(hook.received).toHaveLength(2);
    await later(t, 13);
    await later(t, 13);
    expect(hook.received).toHaveLength(3);
  });

  it("wakes the server when the next try is due", async () => {
    const t = await serverWith(webhookEnv());
    hook.answers(500);
    const before = t.ctx.now().getTime();
    await tell(t);
    const wait = ((t.alarm()?.getTime() ?? 0) - before) / 1000;
    expect(wait).toBeGreaterThanOrEqual(1);
    // A fifth by chance, and the time that the test took.
    expect(wait).toBeLessThan(5);
    hook.answers(204);
    await later(t, 5);
    expect(t.alarm()).toBe(undefined);
  });

  it("is left alone for as long as it asks (RFC 9110 §10.2.3)", async () => {
    const t = await serverWith(webhookEnv());
    hook.answers(429, { "retry-after": "60" });
    await tell(t);
    hook.answers(204);
    await later(t, 50);
    expect(hook.received).toHaveLength(1);
    await later(t, 11);
    expect(hook.received).toHaveLength(2);
  });

  it("410 is the last word (RFC 9110 §15.5.11)", async () => {
    const t = await serverWith(webhookEnv());
    hook.answers(410);
    await tell(t);
    await later(t, 100);
    expect(hook.received).toHaveLength(1);
    expect(await statesOf(t, "webhook")).toEqual([
      { status: "failed", attempts: 1, error: `${hook.host} answered 410` },
    ]);
  });

  it("a redirect is not followed", async () => {
    const t = await serverWith({ ...webhookEnv(), AUTHGENT_WEBHOOK_RETRIES: "0" });
    hook.answers(307, { location: team.url });
    await tell(t);
    expect([hook.received.length, team.received.length]).toEqual([1, 0]);
    expect(await statesOf(t, "webhook")).toEqual([
      { status: "failed", attempts: 1, error: `${hook.host} answered 307` },
    ]);
  });

  it("an endless answer is not read, and nothing of it is kept", async () => {
    const t = await serverWith({ ...webhookEnv(), AUTHGENT_WEBHOOK_RETRIES: "0" });
    let written = 0;
    let closed = false;
    hook.handles((_, response) => {
      response.on("close", () => {
        closed = true;
      });
      response.writeHead(500, { "content-type": "text/plain" });
      const more = () => {
        written += 65_536;
        if (!closed) response.write("private ".repeat(8192), more);
      };
      more();
    });
    await tell(t);
    await expect.poll(() => closed).toBe(true);
    expect(written).toBeLessThan(32 * 1024 * 1024);
    expect(JSON.stringify(await statesOf(t, "webhook"))).not.toContain("private");
  });

  it("a receiver that is down for 30 seconds gets everything, each once", async () => {
    const { url, host } = hook;
    const t = await serverWith({ ...webhookEnv() });
    await hook.close();
    const told: string[] = [];
    for (let count = 0; count < 20; count += 1) told.push((await queue(t)).id);
    await t.settled();
    for (let waited = 0; waited < 30; waited += 1) await later(t, 1);
    hook = await receiver(Number(host.split(":")[1]));
    open.push(hook);
    expect(hook.url).toBe(url);
    for (let waited = 0; waited < 60; waited += 1) await later(t, 1);
    expect(hook.received.map((one) => jsonOf(one).notification_id).sort()).toEqual(told.sort());
    expect(new Set((await statesOf(t, "webhook")).map(({ status }) => status))).toEqual(
      new Set(["delivered"]),
    );
  });
});

describe("one receiver that does not answer", () => {
  it("holds up no other", async () => {
    const t = await serverWith({ ...webhookEnv(), ...slackEnv() });
    const waiting: (() => void)[] = [];
    hook.handles((_, response) => void waiting.push(() => response.writeHead(204).end()));
    await queue(t);
    await team.until(1);
    // More for both while the first still waits for one of them.
    await queue(t);
    await team.until(2);
    expect(waiting.length).toBeGreaterThan(0);
    hook.answers(204);
    for (const answer of waiting) answer();
    await t.settled();
    expect((await statesOf(t, "webhook")).map(({ status }) => status)).toEqual(["delivered", "delivered"]);
  });

  it("is asked less and less, until it answers", async () => {
    const t = await serverWith({ ...webhookEnv(), AUTHGENT_WEBHOOK_BACKOFF: "1" });
    hook.answers(503);
    for (let count = 0; count < 20; count += 1) await queue(t);
    await t.settled();
    const first = hook.received.length;
    // Eight at once, and two more in the place of the first two that failed: the third says that it is no chance.
    expect(first).toBeLessThanOrEqual(10);
    // It rests for 5 seconds, then one tries for all.
    await later(t, 4);
    expect(hook.received).toHaveLength(first);
    await later(t, 1.1);
    expect(hook.received).toHaveLength(first + 1);
    await later(t, 9);
    expect(hook.received).toHaveLength(first + 1);
    hook.answers(204);
    await later(t, 2);
    expect((await statesOf(t, "webhook")).map(({ status }) => status)).toEqual(Array(20).fill("delivered"));
  });
});

describe("a request that is no question any more", () => {
  it.each(["approval.decided", "approval.expired"] as const)("is not told after %s", async (event) => {
    const t = await serverWith(webhookEnv());
    hook.answers(500);
    const { approvalId } = await tell(t);
    hook.answers(204);
    await tell(t, { event, approvalId, title: "Ada refused it" });
    await later(t, 10);
    expect(hook.received.map((one) => jsonOf(one).event)).toEqual(["approval.requested", event]);
    expect((await statesOf(t, "webhook")).map(({ status }) => status)).toEqual(["delivered", "dropped"]);
  });

  it("is not told after its time, whatever the receiver does", async () => {
    const t = await serverWith(webhookEnv());
    hook.answers(500);
    await tell(t, { expiresAt: new Date(t.ctx.now().getTime() + 500) });
    hook.answers(204);
    await later(t, 2);
    expect(hook.received).toHaveLength(1);
    expect((await statesOf(t, "webhook")).map(({ status }) => status)).toEqual(["dropped"]);
  });

  it("another one is told all the same", async () => {
    const t = await serverWith(webhookEnv());
    hook.answers(500);
    await tell(t);
    hook.answers(204);
    await tell(t, { event: "approval.decided" });
    await later(t, 10);
    expect(hook.received.map((one) => jsonOf(one).event)).toEqual([
      "approval.requested",
      "approval.decided",
      "approval.requested",
    ]);
  });
});

describe("security 167: who floods people with requests", () => {
  it("gets three messages a minute to them, the rest in one", async () => {
    const t = await serverWith(slackEnv());
    for (let count = 1; count <= 8; count += 1) await tell(t, { title: `Request ${count}` });
    expect(textsAt(team)).toEqual(["Request 1", "Request 2", "Request 3"]);
    await later(t, 59);
    expect(team.received).toHaveLength(3);
    await later(t, 2);
    expect(textsAt(team).slice(3)).toEqual(["5 requests wait for your answer"]);
    expect(jsonOf(team.received[3] ?? expect.fail()).text).toContain(
      "<http://localhost:8000/inbox|See them>",
    );
    expect((await statesOf(t, "slack")).map(({ status }) => status)).toEqual(Array(8).fill("delivered"));
  });

  it("fifty at once are one message", async () => {
    const t = await serverWith(slackEnv());
    await inTransaction(t.ctx, async (tx) => {
      for (let count = 0; count < 50; count += 1) await enqueue(tx, requestFor(t.ctx));
    });
    await t.settled();
    expect(textsAt(team)).toEqual(["50 requests wait for your answer"]);
  });

  it("requests and answers are told apart", async () => {
    const t = await serverWith({ ...slackEnv(), AUTHGENT_NOTIFICATION_RATE_LIMIT: "2" });
    await inTransaction(t.ctx, async (tx) => {
      for (let count = 0; count < 3; count += 1) await enqueue(tx, requestFor(t.ctx));
      for (let count = 0; count < 2; count += 1)
        await enqueue(tx, requestFor(t.ctx, { event: "approval.decided" }));
    });
    await t.settled();
    expect(textsAt(team).sort()).toEqual(["2 requests were answered", "3 requests wait for your answer"]);
  });

  it("what was answered meanwhile is not counted, and one that is left is told by itself", async () => {
    const t = await serverWith({ ...slackEnv(), AUTHGENT_NOTIFICATION_RATE_LIMIT: "1" });
    await tell(t, { title: "The first" });
    const waiting = [await tell(t), await tell(t), await tell(t, { title: "The last" })];
    for (const { approvalId } of waiting.slice(0, 2)) {
      const answered = requestFor(t.ctx, { event: "approval.decided", approvalId });
      // Nobody but the outbox is told here.
      await inTransaction({ ...t.ctx, channels: [] }, (tx) => enqueue(tx, answered));
    }
    await later(t, 61);
    expect(textsAt(team)).toEqual(["The first", "The last"]);
  });

  it("a message that was folded into one that is answered comes by itself", async () => {
    const t = await serverWith(slackEnv());
    team.answers(500);
    const requests = ["One", "Two"].map((title) => requestFor(t.ctx, { title }));
    await inTransaction(t.ctx, async (tx) => {
      for (const request of [...requests, requestFor(t.ctx, { title: "Three" }), requestFor(t.ctx)])
        await enqueue(tx, request);
    });
    await t.settled();
    expect(textsAt(team)).toEqual(["4 requests wait for your answer"]);
    team.answers(200);
    const [leader] = await t.ctx.db.select().from(outbox).where(eq(outbox.status, "pending"));
    const answered = requestFor(t.ctx, { event: "approval.decided", approvalId: leader?.approvalId ?? "" });
    await inTransaction({ ...t.ctx, channels: [] }, (tx) => enqueue(tx, answered));
    await later(t, 61);
    // Three are left, which is as many as there is room for.
    expect(team.received).toHaveLength(4);
    const states = await statesOf(t, "slack");
    expect(states.map(({ status }) => status)).toEqual(["delivered", "delivered", "delivered", "dropped"]);
  });

  it("machines get every one", async () => {
    const t = await serverWith(webhookEnv());
    for (let count = 0; count < 8; count += 1) await tell(t);
    expect(hook.received).toHaveLength(8);
  });
});

describe("two instances", () => {
  let first: TestContext;
  let second: TestContext;
  let end: () => Promise<void>;
  const start = async (env: Record<string, string>) => {
    [first, second, end] = await twoInstances({ env });
    await first.ctx.db.delete(outbox);
  };
  afterEach(() => end());

  it("50 notifications: each arrives once", async () => {
    await start(webhookEnv());
    const told = new Set<string>();
    await inTransaction(first.ctx, async (tx) => {
      for (let count = 0; count < 50; count += 1) {
        const notification = requestFor(first.ctx);
        told.add(notification.id);
        await enqueue(tx, notification);
      }
    });
    await Promise.all([first.settled(), ...[1, 2, 3].map(() => second.ctx.courier.deliver())]);
    await Promise.all([first, second].map(({ ctx }) => ctx.courier.deliver()));
    const arrived = hook.received.map((one) => jsonOf(one).notification_id);
    expect(arrived).toHaveLength(50);
    expect(new Set(arrived)).toEqual(told);
  });

  it("security 167: keep to one limit between them", async () => {
    await start(slackEnv());
    const both = [first, second].map(async (t) => {
      for (let count = 0; count < 10; count += 1) await tell(t);
    });
    await Promise.all(both);
    expect(team.received.length).toBeLessThanOrEqual(3);
    first.advance(61);
    await first.ctx.courier.deliver();
    const states = await statesOf(first, "slack");
    expect(states.map(({ status }) => status)).toEqual(Array(20).fill("delivered"));
    expect(team.received.length).toBeLessThanOrEqual(4);
  });

  it("what one of them took and never finished, the other delivers under the same id", async () => {
    await start(webhookEnv());
    // The first is killed while it waits for an answer.
    hook.handles(() => {});
    await queue(first);
    await hook.until(1);
    hook.answers(204);
    await later(second, 29);
    expect(hook.received).toHaveLength(1);
    await later(second, 2);
    expect(hook.received).toHaveLength(2);
    expect(new Set(idsAt(hook)).size).toBe(1);
    await hook.close();
    await first.settled();
    expect((await statesOf(second, "webhook")).map(({ status }) => status)).toEqual(["delivered"]);
  });
});

describe("housekeeping", () => {
  it("removes everything after a week, and gives up what nobody took for a day", async () => {
    const t = await serverWith(webhookEnv());
    await tell(t);
    // A receiver of another instance's settings.
    await tell({ ...t, ctx: { ...t.ctx, channels: [] } }, { event: "approval.decided" });
    await t.ctx.db.update(outbox).set({ channel: "carrier-pigeon", status: "pending" });
    t.advance(86_400 + 60);
    await pruneOutbox(t.ctx);
    expect((await statesOf(t, "carrier-pigeon")).map(({ status }) => status)).not.toContain("pending");
    t.advance(6 * 86_400);
    await pruneOutbox(t.ctx);
    expect(await t.ctx.db.select().from(outbox)).toEqual([]);
  });
});
