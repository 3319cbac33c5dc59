import { beforeEach, expect, it } from "vitest";
import { connect } from "@/test/support/client";
import { type TestContext, testContext } from "@/test/support/context";
import { runJobs } from "./jobs";

let t: TestContext;
beforeEach(async () => {
  t = await testContext();
});

it("housekeeping runs every job, twice and a year later, without a failure", async () => {
  const client = connect(t);
  await client.tokensFor(await client.registerPublic());
  await runJobs(t.ctx);
  t.advance(365 * 86_400);
  await runJobs(t.ctx);
  await runJobs(t.ctx);
  expect(t.lines.filter((line) => line.includes('"job failed"'))).toEqual([]);
});
