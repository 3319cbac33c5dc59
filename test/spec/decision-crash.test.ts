import type { ChildProcess } from "node:child_process";
import { eq } from "drizzle-orm";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { approvalDecisions, approvals } from "@/db/schema/approvals";
import { events } from "@/db/schema/events";
import { outbox } from "@/db/schema/outbox";
import { type Crashing, crashing, ended } from "@/test/support/crashing";
import { jsonOf, type Receiver, receiver } from "@/test/support/receivers";

let crash: Crashing;
let server: Awaited<ReturnType<Crashing["installation"]>>;
let hook: Receiver;
/** What waits for the person, and who that is. */
let asked: { approvalId: string; userId: string };

beforeAll(async () => {
  crash = await crashing("test/support/crash-decision.ts");
});
afterAll(() => crash.remove());

beforeEach(async () => {
  hook = await receiver();
  server = await crash.installation({
    AUTHGENT_WEBHOOK_URL: hook.url,
    AUTHGENT_WEBHOOK_HMAC_SECRET: "a-secret-of-24-characters",
  });
  const { how, output } = await ended(server.start("ask"));
  expect(how).toBe(0);
  asked = JSON.parse(output);
  // That the question waits was told already.
  expect(hook.received.splice(0).map((one) => jsonOf(one).approval_id)).toEqual([asked.approvalId]);
});
afterEach(async () => {
  await hook.close();
  await server.remove();
});

type Action = "decide" | "decide-and-die" | "die-deciding" | "deliver";

const start = (action: Action, later = 0): ChildProcess =>
  server.start(action, later, asked.approvalId, asked.userId);

const run = async (action: Action, later = 0) => (await ended(start(action, later))).how;

const arrived = () => hook.received.map(({ headers }) => String(headers["webhook-id"]));

/** How the question stands, what the trail says of it, and how many messages tell of its answer. */
const standing = () =>
  server.read(async (db) => {
    const [approval] = await db.select().from(approvals).where(eq(approvals.id, asked.approvalId));
    const told = await db.select().from(events).where(eq(events.type, "approval.approved"));
    const queued = await db.select().from(outbox).where(eq(outbox.event, "approval.decided"));
    return {
      status: approval?.status,
      answers: (await db.select().from(approvalDecisions)).length,
      events: told.length,
      queued: queued.filter(({ channel }) => channel === "webhook").map(({ status }) => status),
    };
  });

describe("R20: a server that is killed (SIGKILL) while a person answers", () => {
  it("before the commit: nothing was decided, and they can answer again", async () => {
    expect(await run("die-deciding")).toBe("SIGKILL");
    expect(await standing()).toEqual({ status: "pending", answers: 0, events: 0, queued: [] });
    expect(await run("deliver")).toBe(0);
    expect(hook.received).toEqual([]);
    expect(await run("decide")).toBe(0);
    expect(await standing()).toEqual({ status: "approved", answers: 1, events: 1, queued: ["delivered"] });
  }, 60_000);

  it("between commit and delivery: the answer stands, and the next server tells of it, once", async () => {
    expect(await run("decide-and-die")).toBe("SIGKILL");
    expect(hook.received).toEqual([]);
    expect(await standing()).toEqual({ status: "approved", answers: 1, events: 1, queued: ["pending"] });
    expect(await run("deliver")).toBe(0);
    expect(await run("deliver", 60)).toBe(0);
    expect(hook.received.map((one) => jsonOf(one))).toMatchObject([
      { approval_id: asked.approvalId, status: "approved", decided_by: `user:${asked.userId}` },
    ]);
    expect(await standing()).toEqual({ status: "approved", answers: 1, events: 1, queued: ["delivered"] });
  }, 60_000);

  it("between delivery and noting it: it arrives twice at most, under the same id", async () => {
    let program: ChildProcess | undefined;
    // The receiver has it and is about to say so.
    hook.handles(() => void program?.kill("SIGKILL"));
    program = start("decide");
    expect((await ended(program)).how).toBe("SIGKILL");
    hook.answers(204);
    // What the dead one took is its own until the lease ends.
    expect(await run("deliver")).toBe(0);
    expect(await run("deliver", 31)).toBe(0);
    expect(await run("deliver", 90)).toBe(0);
    expect(arrived()).toHaveLength(2);
    expect(new Set(arrived()).size).toBe(1);
    expect(await standing()).toEqual({ status: "approved", answers: 1, events: 1, queued: ["delivered"] });
  }, 60_000);
});
