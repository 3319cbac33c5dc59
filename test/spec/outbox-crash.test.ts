import type { ChildProcess } from "node:child_process";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { outbox } from "@/db/schema/outbox";
import { type Crashing, crashing, ended } from "@/test/support/crashing";
import { jsonOf, type Receiver, receiver } from "@/test/support/receivers";

let crash: Crashing;
let server: Awaited<ReturnType<Crashing["installation"]>>;
let hook: Receiver;

beforeAll(async () => {
  crash = await crashing("test/support/crash-program.ts");
});
afterAll(() => crash.remove());

beforeEach(async () => {
  hook = await receiver();
  server = await crash.installation({
    AUTHGENT_WEBHOOK_URL: hook.url,
    AUTHGENT_WEBHOOK_HMAC_SECRET: "a-secret-of-24-characters",
  });
});
afterEach(async () => {
  await hook.close();
  await server.remove();
});

type Action = "deliver" | "queue" | "queue-and-die";

/** Starts the program; `later` is by how many seconds its clock is ahead. */
const start = (action: Action, later = 0): ChildProcess => server.start(action, later);

const end = async (program: ChildProcess) => (await ended(program)).how;

const run = (action: Action, later = 0) => end(start(action, later));

const arrived = () => hook.received.map(({ headers }) => String(headers["webhook-id"]));

const statuses = () =>
  server.read(async (db) => {
    const rows = await db.select({ channel: outbox.channel, status: outbox.status }).from(outbox);
    return rows.filter(({ channel }) => channel === "webhook").map(({ status }) => status);
  });

describe("R20: a server that is killed (SIGKILL)", () => {
  it("between commit and delivery: the next one delivers everything, once", async () => {
    expect(await run("queue-and-die")).toBe("SIGKILL");
    expect(hook.received).toEqual([]);
    expect(await run("deliver")).toBe(0);
    expect(new Set(arrived()).size).toBe(3);
    expect(hook.received).toHaveLength(3);
    expect(await statuses()).toEqual(["delivered", "delivered", "delivered"]);
    expect(await run("deliver", 60)).toBe(0);
    expect(hook.received).toHaveLength(3);
  }, 60_000);

  it("between delivery and noting it: everything arrives, twice at most, and under the same ids", async () => {
    let program: ChildProcess | undefined;
    // The receiver has it and is about to say so.
    hook.handles(() => void program?.kill("SIGKILL"));
    program = start("queue");
    expect(await end(program)).toBe("SIGKILL");
    const before = arrived();
    expect(before.length).toBeGreaterThan(0);

    hook.answers(204);
    // What the dead one took is its own until the lease ends.
    expect(await run("deliver")).toBe(0);
    expect(await run("deliver", 31)).toBe(0);
    const all = arrived();
    expect(new Set(all).size).toBe(3);
    // Twice only what had arrived before: nothing that the receiver cannot tell by its id.
    const repeated = all.filter((id, place) => all.indexOf(id) !== place);
    expect(repeated.filter((id) => !before.includes(id))).toEqual([]);
    expect(new Set(hook.received.map((one) => jsonOf(one).notification_id)).size).toBe(3);
    expect(await statuses()).toEqual(["delivered", "delivered", "delivered"]);
  }, 60_000);
});
