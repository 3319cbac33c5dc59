import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { isOAuthError } from "@/lib/errors";
import type { Actor } from "@/lib/oauth/access-token";
import { actorsOf, continuesChain, delegationDepth, extendChain, withRoot } from "@/lib/oauth/actor";
import { verifyAccessToken } from "@/lib/services/token-state";
import { type Connection, connect } from "@/test/support/client";
import { type TestContext, twoInstances } from "@/test/support/context";
import { delegation, type TestAgent } from "@/test/support/delegation";
import { claimsOf } from "@/test/support/signer";

const NAMES = ["a", "b", "c", "d", "e"] as const;
const subjects = fc.constantFrom("client:one", "client:two", "client:three", "user:ada");
const chains = fc.array(subjects, { maxLength: 6 });
const chainOf = (actors: readonly string[]): Actor | undefined =>
  actors.reduceRight<Actor | undefined>((act, sub) => ({ sub, ...(act && { act }) }), undefined);

describe("the chain of actors", () => {
  it("never loses, changes or reorders anybody, and grows by one hop at most", () => {
    fc.assert(
      fc.property(subjects, chains, subjects, (sub, actors, actor) => {
        const actsAlready = (actors[0] ?? sub) === actor;
        const after = extendChain({ sub, act: chainOf(actors) }, actor);
        expect(actorsOf(after)).toEqual(actsAlready ? actors : [actor, ...actors]);
      }),
    );
  });

  it("D7: with its person innermost it has the same actors and the same depth", () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom("client:one", "client:two"), { minLength: 1, maxLength: 6 }),
        (actors) => {
          const rooted = withRoot(chainOf(actors), "user:ada");
          expect(actorsOf(rooted)).toEqual([...actors, "user:ada"]);
          expect(delegationDepth(rooted)).toBe(actors.length);
          expect(withRoot(rooted, "user:ada")).toEqual(rooted);
        },
      ),
    );
  });

  it("is continued by an actor token of its own delegation only", () => {
    fc.assert(
      fc.property(subjects, chains, subjects, chains, (sub, actors, otherSub, others) => {
        const actorToken = { sub: otherSub, act: chainOf(others) };
        const same = sub === otherSub;
        const joined = same && [others, others.slice(1)].some((chain) => chain.join() === actors.join());
        expect(continuesChain({ sub, act: chainOf(actors) }, actorToken)).toBe(others.length === 0 || joined);
      }),
    );
  });
});

describe("delegation through the server", () => {
  let [s, other]: TestContext[] = [];
  let close: () => Promise<void>;
  let c: Connection;
  let agents: TestAgent[];
  let d: ReturnType<typeof delegation>;
  let elsewhere: ReturnType<typeof delegation>;
  const SCOPES = [["a", "b", "c", "d"], ["b", "c", "d", "e"], ["a", "c"], ["d"], []] as const;

  beforeAll(async () => {
    const [first, second, end] = await twoInstances();
    [s, other, close, c] = [first, second, end, connect(first)];
    [d, elsewhere] = [delegation(c), delegation(connect(second))];
    agents = await Promise.all(SCOPES.map((scope) => d.createAgent(scope)));
  });
  afterAll(() => close());

  const agentAt = (index: number): TestAgent => {
    const agent = agents[index];
    if (!agent) throw new Error(`no agent ${index}`);
    return agent;
  };

  const wordsOf = (scope: unknown): string[] => String(scope).split(" ").filter(Boolean);
  const actorsIn = (claims: Record<string, unknown>) => actorsOf(claims.act as Actor | undefined);

  /** Whether an exchange must be granted, by the rules in their own words: held, registered, deep enough. */
  function isGrantable(
    before: Record<string, unknown>,
    by: number,
    asked: readonly string[] | undefined,
  ): boolean {
    const held = wordsOf(before.scope);
    const registered: readonly string[] = SCOPES[by] ?? [];
    const common = held.filter((name) => registered.includes(name));
    const wanted = asked?.length ? asked : common.length > 0 ? common : held;
    const isAllowed = wanted.every((name) => common.includes(name));
    return isAllowed && actorsIn(before).length + hopsOf(before, by) <= 5;
  }

  /** An agent that acts already adds no hop. */
  const hopsOf = (before: Record<string, unknown>, by: number): 0 | 1 =>
    (actorsIn(before)[0] ?? before.sub) === `client:${agentAt(by).clientId}` ? 0 : 1;

  function expectNarrowed(before: Record<string, unknown>, after: Record<string, unknown>, by: number): void {
    expect(wordsOf(after.scope).filter((name) => !wordsOf(before.scope).includes(name))).toEqual([]);
    expect(Number(after.exp)).toBeLessThanOrEqual(Number(before.exp));
    expect(after.sub).toBe(before.sub);
    expect(actorsIn(after).slice(hopsOf(before, by))).toEqual(actorsIn(before));
  }

  it("scope and lifetime only shrink and the chain only grows, whoever exchanges what in which order", async () => {
    const hop = fc.record({
      by: fc.nat({ max: 4 }),
      asked: fc.option(fc.subarray([...NAMES]), { nil: undefined }),
    });
    const hops = fc.array(hop, { minLength: 1, maxLength: 7 });
    const property = fc.asyncProperty(fc.nat({ max: 4 }), hops, async (first, run) => {
      let token = await d.ownToken(agentAt(first));
      for (const { by, asked } of run) {
        const before = claimsOf(token);
        const fields = { scope: asked?.join(" "), audience: "https://api.example" };
        const response = await d.exchange(agentAt(by), token, fields);
        expect(response.status).toBe(isGrantable(before, by, asked) ? 200 : 400);
        if (response.status !== 200) continue;
        token = (await response.json()).access_token;
        expectNarrowed(before, claimsOf(token), by);
      }
    });
    await fc.assert(property, { numRuns: 60 });
  });

  it("of 50 exchanges on two instances and a revocation, in any interleaving, no living child is left", async () => {
    const isLive = async (t: TestContext | undefined, token: string): Promise<boolean> => {
      if (!t) throw new Error("made before");
      return verifyAccessToken(t.ctx, token).then(
        () => true,
        (error) => {
          if (!isOAuthError(error)) throw error;
          return false;
        },
      );
    };
    const property = fc.asyncProperty(
      fc.nat({ max: 50 }),
      fc.array(fc.boolean(), { minLength: 50, maxLength: 50 }),
      async (at, sides) => {
        const [owner, actor] = [agentAt(0), agentAt(1)];
        const root = await d.ownToken(owner);
        const parent = (await d.exchanged(actor, root)).access_token;
        const revoke = () =>
          c.form("/revoke", { token: root, client_id: owner.clientId, client_secret: owner.secret });
        const work = sides.map((side) => () => (side ? d : elsewhere).exchange(agentAt(2), parent));
        const order: (() => Promise<Response>)[] = [...work.slice(0, at), revoke, ...work.slice(at)];
        const answers = await Promise.all(order.map((one) => one()));
        const children: string[] = [];
        for (const answer of answers) {
          const body = await answer.text();
          if (answer.status === 200 && body) children.push(JSON.parse(body).access_token);
        }
        const living = await Promise.all(
          [...children, parent].flatMap((one) => [isLive(s, one), isLive(other, one)]),
        );
        expect(living.filter(Boolean)).toEqual([]);
      },
    );
    await fc.assert(property, { numRuns: 8 });
  });
});
