import { readFile } from "node:fs/promises";
import { text } from "node:stream/consumers";
import { DecisionRecords, verifyRecord } from "@/lib/oauth/decision-record";
import { toPlainText } from "@/lib/oauth/display-text";
import { type Command, CommandError, USAGE } from "../command";

/** Proves offline who answered an agent's question, and to exactly what they said yes or no. */
export const verifyDecision: Command = {
  name: "verify-decision",
  summary: "Prove what people signed; exits with 0 if all is proven, 1 if not, 2 if nothing was judged",
  usage: "FILE|- [--issuer URL]",
  positional: "file",
  options: {
    file: {
      type: "string",
      value: "FILE|-",
      about: "what GET /approvals/ID/decisions answered; - reads it from standard input",
    },
    issuer: { type: "string", value: "URL", about: "the server that must have asked" },
  },

  async run({ file, issuer }) {
    const records = await readRecords(file);
    if (issuer !== undefined && issuer !== records.issuer)
      throw new CommandError(`Not proven: ${plain(records.issuer)} asked, and not ${String(issuer)}.`);
    const checks = records.decisions.map((record) => ({ record, check: verifyRecord(records, record) }));
    const lines = checks.flatMap(({ record, check }) => {
      const who = `${plain(record.user)} ${record.decision} on ${record.decided_at}`;
      return check.ok
        ? [`${who}: proven`, `  shown: ${plain(check.proven.sentence)}`]
        : [`${who}: not proven`, ...check.problems.map((problem) => `  ${plain(problem)}`)];
    });
    const report = [
      `Question ${plain(records.approval_id)}, asked by ${plain(records.issuer)}.`,
      ...lines,
    ].join("\n");
    if (checks.length === 0 || checks.some(({ check }) => !check.ok)) throw new CommandError(report);
    return report;
  },
};

async function readRecords(file: unknown): Promise<DecisionRecords> {
  if (typeof file !== "string")
    throw new CommandError("Give the file, or - to read it from standard input.", USAGE);
  const content = file === "-" ? await text(process.stdin) : await readText(file);
  const parsed = DecisionRecords.safeParse(jsonOf(content));
  if (parsed.success) return parsed.data;
  throw new CommandError(`${file} is not what GET /approvals/ID/decisions answers.`, USAGE);
}

const readText = (file: string): Promise<string> =>
  readFile(file, "utf8").catch(() => {
    throw new CommandError(`Cannot read ${file}.`, USAGE);
  });

function jsonOf(content: string): unknown {
  try {
    return JSON.parse(content);
  } catch {
    return undefined;
  }
}

/** What others wrote must not draw on the terminal. */
const plain = (value: string): string => toPlainText(value, 500);
