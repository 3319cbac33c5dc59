import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import type { AuthorizationDetail } from "@/lib/oauth/authorization-details";
import { GRANT_TYPES, TOKEN_TYPES } from "@/lib/oauth/token-types";
import { type App, refusalOf, type Tokens, tokensOf } from "@/test/support/client";
import { MCP_TOOL, PAYMENT, param, pay, tool } from "@/test/support/details-types";
import { type PublicServer, publicServer } from "@/test/support/public-server";
import { claimsOf } from "@/test/support/signer";

let s: PublicServer;
let bank: string;
let app: App;

beforeAll(async () => {
  s = await publicServer();
  bank = await s.createResource(["read"], { authorization_details_types: [PAYMENT, MCP_TOOL] });
  app = await s.createApp({
    token_endpoint_auth_method: "client_secret_basic",
    grant_types: ["authorization_code", GRANT_TYPES.tokenExchange],
  });
});

/** Payments to one of two, and uses of the search with or without a limit: what there is of each is one number. */
type Wish = { kind: "ACME" | "Umbrella" | "search"; size: number };
const OPEN = 9;
const wishes = fc.record({
  kind: fc.constantFrom("ACME", "Umbrella", "search"),
  size: fc.integer({ min: 1, max: OPEN }),
});
const lists = (minLength: number) => fc.array(wishes as fc.Arbitrary<Wish>, { minLength, maxLength: 4 });

const detailOf = ({ kind, size }: Wish): AuthorizationDetail =>
  kind === "search"
    ? tool("search", size === OPEN ? undefined : { max_rows: size })
    : pay(size, { creditor: kind });

/** By the rules in their own words: the largest of each kind that is asked for has one that is as large, and so on. */
function isCovered(held: readonly Wish[], asked: readonly Wish[]): boolean {
  const sizes = (list: readonly Wish[], kind: Wish["kind"]) =>
    list
      .filter((wish) => wish.kind === kind)
      .map(({ size }) => size)
      .sort((a, b) => b - a);
  return (["ACME", "Umbrella", "search"] as const).every((kind) => {
    const there = sizes(held, kind);
    return sizes(asked, kind).every((size, index) => size <= (there[index] ?? 0));
  });
}

type State = { held: readonly Wish[]; token: string };

const refresh = ({ refresh_token }: Tokens, authorization_details: string) =>
  s.c.refresh(app, refresh_token, { authorization_details });

const exchange = (token: string, authorization_details: string) =>
  s.c.token(app, {
    grant_type: GRANT_TYPES.tokenExchange,
    subject_token: token,
    subject_token_type: TOKEN_TYPES.accessToken,
    authorization_details,
  });

/** One request for less: it is given where it is covered, said by the token and to who asks, and refused elsewhere. */
async function step({ held, token }: State, asked: readonly Wish[], response: Response): Promise<State> {
  if (!isCovered(held, asked)) {
    expect(await refusalOf(response)).toEqual({ status: 400, error: "invalid_authorization_details" });
    return { held, token };
  }
  const { access_token, authorization_details } = await tokensOf(response);
  const details = asked.map(detailOf);
  const said = details.length > 0 ? details : undefined;
  expect(authorization_details).toEqual(details);
  expect(claimsOf(access_token).authorization_details).toEqual(said);
  expect((await s.introspect(access_token)).authorization_details).toEqual(said);
  return { held: asked, token: access_token };
}

describe("authorization details through the server", () => {
  it("never widen, and are given wherever they are covered: from consent by code, refresh and exchanges", async () => {
    const runs = fc.record({
      asked: lists(1),
      ticked: fc.nat({ max: 15 }),
      first: lists(0),
      rest: fc.array(lists(0), { maxLength: 3 }),
    });
    const property = fc.asyncProperty(runs, async ({ asked, ticked, first, rest }) => {
      const places = [...asked.keys()].filter((place) => (ticked >> place) % 2 === 1);
      const details = places.length > 0 ? places : [0];
      const held = asked.filter((_, place) => details.includes(place));
      const request = { resource: bank, scope: "read", authorization_details: param(...asked.map(detailOf)) };
      const tokens = await s.c.tokensFor(app, request, { details });
      expect(tokens.authorization_details).toEqual(held.map(detailOf));

      const response = await refresh(tokens, param(...first.map(detailOf)));
      let state = await step({ held, token: tokens.access_token }, first, response);
      for (const next of rest)
        state = await step(state, next, await exchange(state.token, param(...next.map(detailOf))));
    });
    await fc.assert(property, { numRuns: 30, seed: 17 });
  });
});
