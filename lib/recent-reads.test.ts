import { describe, expect, it } from "vitest";
import { listResourcesRecently } from "@/lib/services/resources";
import { testContext } from "@/test/support/context";
import { inTransaction } from "./context";
import { recentReads } from "./recent-reads";

function counting<T>(value: T) {
  const load = async () => {
    load.count += 1;
    return value;
  };
  load.count = 0;
  return load;
}

describe("recent reads", () => {
  it("reads once a second, however many ask", async () => {
    let now = 0;
    const recent = recentReads(() => new Date(now));
    const load = counting("value");
    expect(await Promise.all([recent.read("a", load), recent.read("a", load)])).toEqual(["value", "value"]);
    now = 999;
    await recent.read("a", load);
    expect(load.count).toBe(1);
    now = 1000;
    await recent.read("a", load);
    expect(load.count).toBe(2);
  });

  it("runs a lazy query once, though it would run at every await", async () => {
    let runs = 0;
    const then = (resolve: (value: number) => void) => resolve(++runs);
    const lazy = Object.assign(Object.create(null), { ["then" as string]: then }) as Promise<number>;
    const recent = recentReads(() => new Date(0));
    expect([await recent.read("a", () => lazy), await recent.read("a", () => lazy)]).toEqual([1, 1]);
  });

  it("never remembers that something was not found", async () => {
    const recent = recentReads(() => new Date(0));
    const load = counting(undefined);
    await recent.read("a", load);
    await recent.read("a", load);
    expect(load.count).toBe(2);
  });

  it("never remembers a failure", async () => {
    const recent = recentReads(() => new Date(0));
    await expect(recent.read("a", () => Promise.reject(new Error("away")))).rejects.toThrow("away");
    expect(await recent.read("a", async () => "back")).toBe("back");
  });

  it("drops what was changed here", async () => {
    const recent = recentReads(() => new Date(0));
    await recent.read("a", async () => "old");
    recent.forget("a");
    expect(await recent.read("a", async () => "new")).toBe("new");
  });

  it("inside a transaction what is known serves, and what is not is read each time and not remembered", async () => {
    const recent = recentReads(() => new Date(0));
    const { withinTransaction } = recent;
    expect(await withinTransaction.read("a", async () => "uncommitted")).toBe("uncommitted");
    expect(await recent.read("a", async () => "committed")).toBe("committed");
    expect(await withinTransaction.read("a", async () => "unread")).toBe("committed");
  });

  it("inside a transaction no read of another request is waited for: it may wait for the transaction", async () => {
    const { ctx, advance } = await testContext();
    advance(5);
    const outside: Promise<unknown>[] = [];
    const found = await inTransaction(ctx, async (tx) => {
      await tx.db.execute("select 1");
      outside.push(listResourcesRecently(ctx));
      return listResourcesRecently(tx);
    });
    expect([found.length > 0, await outside[0]]).toEqual([true, found]);
  });

  it("holds a bounded number of entries", async () => {
    const recent = recentReads(() => new Date(0));
    const load = counting("value");
    await recent.read("first", load);
    for (let index = 0; index < 10_000; index += 1) await recent.read(`other ${index}`, async () => 1);
    await recent.read("first", load);
    expect(load.count).toBe(2);
  });
});
