import type { ApprovalRule, AuthorizationDetailsType, ResourceScope, Risk } from "@/db/schema/resources";
import type { Context } from "@/lib/context";
import type { AuthorizationDetail } from "@/lib/oauth/authorization-details";
import { describeScope, targetAt } from "./targets";

type At = {
  resource: string;
  scope: readonly string[];
  authorizationDetails?: readonly AuthorizationDetail[] | undefined;
};

/** What the registrations say of an act: how risky it is, whether a person approves it each time, and who. */
export type Ruling = {
  risk: Risk;
  /** Scopes that a person approves each time. */
  scope: readonly string[];
  /** Types of details that a person approves each time. */
  types: readonly string[];
  approverIds: readonly string[];
  approverGroups: readonly string[];
  quorum: number;
  fourEyes: boolean;
};

const RANK: Record<Risk, number> = { low: 0, medium: 1, high: 2 };

/** The most that is at stake of several acts. */
export const highest = (risks: readonly Risk[]): Risk =>
  risks.reduce<Risk>((most, risk) => (RANK[risk] > RANK[most] ? risk : most), "low");

/** Works out what an act needs; of several rules the strictest counts. */
export async function rulingOf(
  ctx: Context,
  { resource, scope, authorizationDetails = [] }: At,
): Promise<Ruling> {
  const { scopes, types: known } = await targetAt(ctx, resource);
  const described = scope.map((name) => describeScope({ scopes }, name));
  const types = known.filter(({ type }) => authorizationDetails.some((detail) => detail.type === type));
  const rules: readonly (ResourceScope | AuthorizationDetailsType)[] = [...described, ...types];
  const approvers = [...new Set(rules.flatMap((rule: ApprovalRule) => rule.approvers ?? []))];
  const risks = rules.map(({ risk }) => risk);
  return {
    // What nobody described is of medium risk (product decision D30).
    risk: risks.length > 0 ? highest(risks) : "medium",
    scope: described
      .filter(({ name, approval }) => approval || isHeldBack(ctx, name))
      .map(({ name }) => name),
    types: types.filter(({ approval }) => approval).map(({ type }) => type),
    approverIds: approvers.filter((name) => !name.startsWith(GROUP)),
    approverGroups: approvers
      .filter((name) => name.startsWith(GROUP))
      .map((name) => name.slice(GROUP.length)),
    quorum: Math.max(1, ...rules.map(({ quorum = 1 }) => quorum)),
    fourEyes: rules.some(({ fourEyes }) => fourEyes === true),
  };
}

/** What stands before the name of a group where people and groups are named. */
export const GROUP = "group:";
/** What groups are called. */
export const GROUP_NAME = /^[a-z0-9][a-z0-9._-]{0,63}$/;

const isHeldBack = ({ settings }: Context, name: string): boolean => settings.hitlScopes.includes(name);

/** Whether somebody has to be asked before a token for this is issued. */
export const needsApproval = ({ scope, types }: Pick<Ruling, "scope" | "types">): boolean =>
  scope.length + types.length > 0;
