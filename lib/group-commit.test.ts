import { describe, expect, it } from "vitest";
import { groupCommit } from "./group-commit";

const overload = () => new Error("overloaded");

/** A commit that waits to be told how it ends. */
function controlled() {
  const flights: { items: readonly number[]; succeed: () => void; fail: (error: Error) => void }[] = [];
  const commit = (items: readonly number[]) =>
    new Promise<readonly number[]>((resolve, fail) => {
      flights.push({ items, succeed: () => resolve(items.map((item) => item * 10)), fail });
    });
  return { flights, commit };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

describe("group commit", () => {
  it("commits what arrives together, together", async () => {
    const { flights, commit } = controlled();
    const append = groupCommit(commit, { overload });
    const appended = Promise.all([append(1), append(2), append(3)]);
    await turn();
    expect(flights.map(({ items }) => items)).toEqual([[1, 2, 3]]);
    flights[0]?.succeed();
    expect(await appended).toEqual([10, 20, 30]);
  });

  it("answers nobody before the commit that holds their item", async () => {
    const { flights, commit } = controlled();
    const append = groupCommit(commit, { overload, maxFlights: 1 });
    const answered: number[] = [];
    void append(1).then(() => answered.push(1));
    await turn();
    void append(2).then(() => answered.push(2));
    await turn();
    expect(answered).toEqual([]);
    flights[0]?.succeed();
    await turn();
    expect(answered).toEqual([1]);
    flights[1]?.succeed();
    await turn();
    expect(answered).toEqual([1, 2]);
  });

  it("commits one by one what failed together: only what is bad is refused, and the next ones go on", async () => {
    const committed: (readonly number[])[] = [];
    const append = groupCommit(
      async (items: readonly number[]) => {
        if (items.includes(2)) throw new Error("half a character");
        committed.push(items);
        return items;
      },
      { overload, maxFlights: 1 },
    );
    const answers = await Promise.allSettled([append(1), append(2), append(3)]);
    expect(answers.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
    await append(4);
    expect(committed).toEqual([[1], [3], [4]]);
  });

  it("refuses every caller while the database is away, without asking it for each", async () => {
    const { flights, commit } = controlled();
    const append = groupCommit(commit, { overload, maxFlights: 1 });
    const away = Object.assign(new Error("away"), { code: "ECONNREFUSED" });
    const first = Promise.allSettled([append(1), append(2)]);
    await turn();
    const second = Promise.allSettled([append(3), append(4), append(5)]);
    flights[0]?.fail(away);
    expect((await first).map(({ status }) => status)).toEqual(["rejected", "rejected"]);
    await turn();
    flights[1]?.fail(new Error("half a character"));
    await turn();
    flights[2]?.fail(away);
    expect((await second).map(({ status }) => status)).toEqual(Array(3).fill("rejected"));
    expect(flights.map(({ items }) => items)).toEqual([[1, 2], [3, 4, 5], [3]]);
  });

  it("sheds load instead of queueing without end", async () => {
    const { commit } = controlled();
    const append = groupCommit(commit, { overload, maxFlights: 1, maxBatch: 1, maxWaiting: 2 });
    void append(1);
    await turn();
    void append(2);
    void append(3);
    await expect(append(4)).rejects.toThrow("overloaded");
  });
});
