import { existsSync, readFileSync, rmSync } from "node:fs";
import { root } from "./fingerprint.mjs";
import { installPackages, requireNode, tool } from "./packages.mjs";
import { CommandFailed, duration, must, step } from "./progress.mjs";

const UNIT_SECONDS = 900;
const E2E_SECONDS = 1200;

/** One line of the summary for each stage that ran or could not. */
const stages = [];

/** `npm test`: installs what the tests need, runs all of them, and ends with the line `N passed, N failed`. */
async function main() {
  requireNode();
  process.chdir(root);
  if ((await stage("packages", installPackages)).failed === 0) await everything();
  summarize();
}

async function everything() {
  // Imported late: they need packages that a moment ago may not have been there.
  const [{ ensureBrowser }, { ensurePostgres }, { checks }, { build }, { ensurePythonSdk }] =
    await Promise.all([
      import("./browser.mjs"),
      import("./postgres.mjs"),
      import("./check.mjs"),
      import("./build.mjs"),
      import("./python-sdk.mjs"),
    ]);
  const browser = await stage("browser", ensureBrowser);
  for (const { title, check } of checks)
    await stage(title, () => step(title, check).then(() => ({ passed: 1, failed: 0 })));
  await stage("unit and spec tests on PGlite", (title) => vitest(title, "pglite", ""));
  const postgres = await stage("PostgreSQL", () => ensurePostgres());
  try {
    await stage("unit and spec tests on PostgreSQL", (title) => {
      if (!postgres.result) throw new CommandFailed("not run, because there is no PostgreSQL", "");
      return vitest(title, "postgres", postgres.result.url);
    });
    const built = await stage("build", build);
    const { missing } = await step("looking for the Python SDK", ensurePythonSdk);
    if (missing) console.log(`  The Python SDK does not run against the server this time: ${missing}`);
    await stage("browser tests", (title) => {
      if (built.failed > 0) throw new CommandFailed("not run, because the build failed", "");
      if (browser.failed > 0) throw new CommandFailed("not run, because there is no browser", "");
      if (!postgres.result) throw new CommandFailed("not run, because there is no PostgreSQL", "");
      return playwright(title, postgres.result.url);
    });
  } finally {
    await postgres.result?.stop();
  }
}

/** Runs one stage and keeps its counts; a stage that breaks counts as one failure, and says why at once. */
async function stage(title, work) {
  const started = performance.now();
  let outcome;
  try {
    const result = await work(title);
    outcome = {
      passed: result?.passed ?? 0,
      failed: result?.failed ?? 0,
      skipped: result?.skipped ?? 0,
      result,
    };
  } catch (error) {
    outcome = { passed: 0, failed: 1, skipped: 0 };
    if (error instanceof CommandFailed) console.log(`\n${error.output.trim()}\n`);
    console.log(`✗ ${title}: ${error instanceof CommandFailed ? error.message : (error.stack ?? error)}`);
  }
  stages.push({ title, ...outcome, time: duration(started) });
  return outcome;
}

function vitest(title, name, databaseUrl) {
  const report = `test-results/unit-${name}.json`;
  const args = ["run", "--reporter=default", "--reporter=json", `--outputFile.json=${report}`];
  // Where the Python SDK is, the browser tests want to know; to the settings it is a name that nobody knows.
  const env = { TEST_DATABASE_URL: databaseUrl, AUTHGENT_PYTHON_SDK: undefined };
  const options = { env, timeoutSeconds: UNIT_SECONDS };
  const runTests = () => must(tool("vitest"), args, options);
  return counted(title, report, runTests, (json) => ({
    passed: json.numPassedTests,
    failed: json.numFailedTests,
    skipped: json.numPendingTests + json.numTodoTests,
  }));
}

function playwright(title, databaseUrl) {
  const options = { env: { TEST_DATABASE_URL: databaseUrl }, timeoutSeconds: E2E_SECONDS };
  const runTests = () => must(tool("playwright"), ["test"], options);
  return counted(title, "test-results/e2e.json", runTests, ({ stats }) => ({
    passed: stats.expected + stats.flaky,
    failed: stats.unexpected,
    skipped: stats.skipped,
  }));
}

/** Counts from a runner's JSON report. The exit code has the last word: a bad one without a failed test is a failure. */
async function counted(title, report, runTests, count) {
  rmSync(report, { force: true });
  const failure = await step(title, runTests).then(() => undefined, commandFailure);
  if (failure && !existsSync(report)) throw failure;

  const counts = count(JSON.parse(readFileSync(report, "utf8")));
  if (!failure) return counts;
  console.log(`\n${failure.output.trim()}\n`);
  return { ...counts, failed: Math.max(counts.failed, 1) };
}

function commandFailure(error) {
  if (error instanceof CommandFailed) return error;
  throw error;
}

function summarize() {
  const sum = (key) => stages.reduce((total, stage) => total + stage[key], 0);
  console.log();
  for (const { title, time, passed, failed, skipped } of stages) {
    const counts = Object.entries({ passed, failed, skipped }).filter(([, count]) => count > 0);
    const words = counts.map(([word, count]) => `${count} ${word}`).join(", ");
    console.log(`${failed > 0 ? "✗" : "✓"} ${title.padEnd(34)} ${time.padStart(6)}  ${words}`.trimEnd());
  }
  console.log(`\n${sum("passed")} passed, ${sum("failed")} failed`);
  process.exitCode = sum("failed") > 0 ? 1 : 0;
}

await main();
