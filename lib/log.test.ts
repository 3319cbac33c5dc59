import { describe, expect, it } from "vitest";
import { createLog, withRequestId } from "./log";

function logged(write: (log: ReturnType<typeof createLog>) => void) {
  const lines: string[] = [];
  write(
    createLog(
      "info",
      () => new Date(0),
      (line) => lines.push(line),
    ),
  );
  return lines;
}

describe("the log", () => {
  it("writes one JSON line with time, level and event", () => {
    expect(logged((log) => log.info("request", { status: 200 }))).toEqual([
      '{"at":"1970-01-01T00:00:00.000Z","level":"info","event":"request","status":200}\n',
    ]);
  });

  it("leaves out what is below its level", () => {
    expect(logged((log) => log.debug("detail"))).toEqual([]);
  });

  it("carries the request id of the request it belongs to", () => {
    const [line] = logged((log) => withRequestId("req-1", () => log.info("x")));
    expect(JSON.parse(line ?? "")).toMatchObject({ requestId: "req-1" });
  });

  it.each([
    ["by name", { client_secret: "abc", nested: { password: "abc", code_verifier: "abc" }, code: "abc" }],
    ["a JWT in a text", { message: "got eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl here" }],
    ["our own prefixes", { message: `rt_${"a".repeat(43)} sec_${"b".repeat(43)} ac_${"c".repeat(43)}` }],
    ["a password in a URL", { message: "postgres://app:hunter2@db/authgent" }],
    ["inside an error", { error: new Error(`failed with rt_${"a".repeat(43)}`) }],
  ])("leaves credentials out: %s", (_, fields) => {
    const [line = ""] = logged((log) => log.warn("x", fields));
    expect(line).toContain("[redacted]");
    expect(line).not.toMatch(/"abc"|c2lnbmF0dXJl|aaaa|bbbb|cccc|hunter2/);
  });

  it("stays one line whatever it is given", () => {
    const [line = ""] = logged((log) => log.info("x", { agent: 'a\r\n{"level":"error"}\u001b[31m' }));
    expect([...line.trimEnd()].filter((character) => character < " ")).toEqual([]);
  });
});
