import { z } from "zod";
import type { ApprovalRule } from "@/db/schema/resources";
import type { Context } from "@/lib/context";
import { OAuthError } from "@/lib/errors";
import { GROUP, GROUP_NAME } from "@/lib/services/approval-rules";
import { findUsers } from "@/lib/services/users";

const isApprover = (name: string): boolean =>
  name.startsWith(GROUP) ? GROUP_NAME.test(name.slice(GROUP.length)) : name.length > 0;

/** Who has to say yes each time, as members of a scope or of a type of details. */
export const approvalRule = {
  approval: z.literal("required").optional().describe("A person approves each use"),
  approvers: z
    .array(z.string().max(100).refine(isApprover, "must be the id of a person, or group:<name>"))
    .min(1)
    .max(50)
    .optional()
    .describe("Who may: ids of people and group:<name>; absent: the owner of the agent, or whom it acts for"),
  quorum: z.int().min(1).max(10).optional().describe("How many people have to say yes"),
  four_eyes: z
    .boolean()
    .optional()
    .describe("Neither the owner of the agent nor the person it acts for is one of them"),
};

type Wire = {
  approvers?: string[] | undefined;
  quorum?: number | undefined;
  four_eyes?: boolean | undefined;
};

/** A rule as it is kept. */
export const ruleFromWire = <Rule extends Wire>({ four_eyes: fourEyes, ...rule }: Rule) => ({
  ...rule,
  ...(fourEyes !== undefined && { fourEyes }),
});

/** A rule as it is sent. */
export const ruleToWire = <Rule extends ApprovalRule>({ fourEyes, ...rule }: Rule) => ({
  ...rule,
  ...(fourEyes !== undefined && { four_eyes: fourEyes }),
});

type Lists = Readonly<Record<string, readonly Wire[] | undefined>>;

/** Refuses rules that nobody could ever satisfy: who is named has to exist, and to be enough. */
export async function refuseBadRules(ctx: Context, lists: Lists): Promise<void> {
  const rules = Object.entries(lists).flatMap(([list, all = []]) =>
    all.map((rule, index) => ({ field: `${list}.${index}`, rule })),
  );
  const named = rules.flatMap(({ rule }) => peopleIn(rule));
  const known = new Set((await findUsers(ctx, [...new Set(named)])).map(({ id }) => id));
  const errors = rules.flatMap(({ field, rule }) => problemsOf(rule, field, known));
  const [first] = errors;
  if (first)
    throw new OAuthError("validation_failed", `${first.field}: ${first.message}`, { members: { errors } });
}

const peopleIn = ({ approvers = [] }: Wire): readonly string[] =>
  approvers.filter((name) => !name.startsWith(GROUP));

function problemsOf(rule: Wire, field: string, known: ReadonlySet<string>) {
  const { approvers = [], quorum = 1 } = rule;
  const people = new Set(peopleIn(rule));
  const unknown = [...people].filter((id) => !known.has(id));
  const isTooFew = approvers.length > 0 && people.size === new Set(approvers).size && quorum > people.size;
  return [
    ...unknown.map((id) => ({
      field: `${field}.approvers.${approvers.indexOf(id)}`,
      message: "must be the id of a person here, or group:<name>",
    })),
    ...(isTooFew
      ? [{ field: `${field}.quorum`, message: `must be at most ${people.size}, who are named` }]
      : []),
  ];
}
