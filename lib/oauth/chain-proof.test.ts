import { generateKeyPairSync } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type AccessTokenClaims, type Actor, accessTokenClaims } from "./access-token";
import { extendChain, withRoot } from "./actor";
import type { AuthorizationDetail } from "./authorization-details";
import { type Bundle, verifyChain } from "./chain-proof";
import { signCompactJws } from "./compact-jws";
import { type ReceiptClaims, receiptClaims, receiptHash } from "./receipt";

const ISSUER = "https://as.example";
const NOW = new Date(1_900_000_000_000);
const LATER = (seconds: number) => new Date(NOW.getTime() + seconds * 1000);

function newKey(kid: string) {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  return {
    signer: { alg: "ES256", kid, key: privateKey } as const,
    jwk: { ...publicKey.export({ format: "jwk" }), kid, alg: "ES256", use: "sig" },
  };
}
const ours = newKey("key-1");
const theirs = newKey("key-1");
const jwks = { keys: [ours.jwk] };

let count = 0;
const newJti = () => `01990000-0000-7000-8000-${String(++count).padStart(12, "0")}`;

type Details = readonly AuthorizationDetail[];
type Wanted = { agent: string; scope: readonly string[]; ttl: number; details?: Details };
type Made = { token: string; claims: AccessTokenClaims; receipts: string[] };
/** What a test changes about one hop before it is signed. */
type Tamper = { receipt?: (claims: ReceiptClaims) => object; token?: (claims: AccessTokenClaims) => object };

const root = (sub = "user:ada", act?: Actor, authorizationDetails?: Details): Made => {
  const claims = accessTokenClaims({
    issuer: ISSUER,
    subject: sub,
    audience: "https://mcp.example",
    clientId: "dyn_app",
    scope: ["mail:read", "mail:send", "db:read"],
    jti: newJti(),
    issuedAt: NOW,
    expiresAt: LATER(3600),
    act,
    authorizationDetails,
  });
  return { token: signCompactJws(ours.signer, "at+jwt", claims), claims, receipts: [] };
};

/** One exchange, as the server makes it unless it is tampered with. */
function exchange(
  before: Made,
  { agent, scope, ttl, details: authorizationDetails }: Wanted,
  { receipt, token }: Tamper = {},
): Made {
  const made = {
    issuer: ISSUER,
    jti: newJti(),
    clientId: agent,
    act: extendChain(before.claims, `client:${agent}`),
    audience: `https://${agent}.example`,
    scope,
    authorizationDetails,
    issuedAt: NOW,
    expiresAt: LATER(ttl),
  };
  const signed = receiptClaims({
    ...made,
    sub: before.claims.sub,
    subject: { claims: before.claims },
    policy: "built-in/1",
    approval: agent === "database" ? "appr_1" : undefined,
  });
  const jws = signCompactJws(ours.signer, "receipt+jwt", { ...(receipt?.(signed) ?? signed) });
  const claims = accessTokenClaims({ ...made, subject: before.claims.sub, receipt: receiptHash(jws) });
  return {
    token: signCompactJws(ours.signer, "at+jwt", { ...(token?.(claims) ?? claims) }),
    claims,
    receipts: [...before.receipts, jws],
  };
}

const ORCHESTRATOR = { agent: "orchestrator", scope: ["mail:read", "db:read"], ttl: 1800 };
const SEARCH = { agent: "search", scope: ["db:read"], ttl: 900 };
const DATABASE = { agent: "database", scope: ["db:read"], ttl: 300 };

const threeHops = () => exchange(exchange(exchange(root(), ORCHESTRATOR), SEARCH), DATABASE);

const bundleOf = ({ receipts }: Pick<Made, "receipts">, change: object = {}): Bundle => ({
  issuer: ISSUER,
  exported_at: NOW.toISOString(),
  jwks,
  receipts,
  ...change,
});

const prove = (made: Pick<Made, "token" | "receipts">, change: object = {}) =>
  verifyChain({ token: made.token, bundle: bundleOf(made), now: NOW, ...change });

const problemsOf = (made: Pick<Made, "token" | "receipts">, change: object = {}) => {
  const proof = prove(made, change);
  return proof.ok ? ["proven"] : proof.problems;
};

/** Three hops, of which the second (or its token) was tampered with before it was signed. */
const secondHop = (tamper: Tamper) => {
  const second = exchange(exchange(root(), ORCHESTRATOR), SEARCH, tamper);
  return problemsOf(second);
};
const secondReceipt = (change: object) => secondHop({ receipt: (claims) => ({ ...claims, ...change }) });
const secondParent = (change: object) =>
  secondHop({ receipt: (claims) => ({ ...claims, parent: { ...claims.parent, ...change } }) });

describe("a chain that only narrowed", () => {
  it("is shown hop by hop, with what each of them gave up", () => {
    const start = root();
    const made = exchange(exchange(exchange(start, ORCHESTRATOR), SEARCH), DATABASE);
    const { jti } = start.claims;
    const origin = { jti, sub: "user:ada", client_id: "dyn_app", scope: "mail:read mail:send db:read" };
    expect(prove(made)).toEqual({
      ok: true,
      issuer: ISSUER,
      expired: false,
      origin: { ...origin, aud: "https://mcp.example", iat: 1_900_000_000, exp: 1_900_003_600 },
      hops: [
        {
          actor: "client:orchestrator",
          clientId: "orchestrator",
          audience: "https://orchestrator.example",
          scopeBefore: ["mail:read", "mail:send", "db:read"],
          scopeAfter: ["mail:read", "db:read"],
          dropped: ["mail:send"],
          detailsBefore: [],
          detailsAfter: [],
          expiresAt: LATER(1800),
          policy: "built-in/1",
          approval: undefined,
        },
        {
          actor: "client:search",
          clientId: "search",
          audience: "https://search.example",
          scopeBefore: ["mail:read", "db:read"],
          scopeAfter: ["db:read"],
          dropped: ["mail:read"],
          detailsBefore: [],
          detailsAfter: [],
          expiresAt: LATER(900),
          policy: "built-in/1",
          approval: undefined,
        },
        {
          actor: "client:database",
          clientId: "database",
          audience: "https://database.example",
          scopeBefore: ["db:read"],
          scopeAfter: ["db:read"],
          dropped: [],
          detailsBefore: [],
          detailsAfter: [],
          expiresAt: LATER(300),
          policy: "built-in/1",
          approval: "appr_1",
        },
      ],
    });
  });

  it("is proven also when the token has expired, from the second that exp names", () => {
    const made = threeHops();
    expect([LATER(299), LATER(300)].map((now) => prove(made, { now }))).toMatchObject([
      { ok: true, expired: false },
      { ok: true, expired: true },
    ]);
  });

  it("has no hops where nobody was delegated to", () => {
    const start = root();
    const { jti, sub, client_id, scope, aud, iat, exp } = start.claims;
    const origin = { jti, sub, client_id, scope, aud, iat, exp };
    expect(prove(start)).toEqual({ ok: true, issuer: ISSUER, expired: false, origin, hops: [] });
  });

  it("may hand a token on without another actor, who acts already", () => {
    const narrowed = exchange(exchange(root(), ORCHESTRATOR), { ...SEARCH, agent: "orchestrator" });
    expect(prove(narrowed)).toMatchObject({ ok: true, hops: [{}, { actor: "client:orchestrator" }] });
  });

  it("may show the person it started from innermost in act (product decision D7)", () => {
    const shown = (claims: AccessTokenClaims) => ({ ...claims, act: withRoot(claims.act, "user:ada") });
    const made = exchange(exchange(root(), ORCHESTRATOR), SEARCH, { token: shown });
    expect(prove(made)).toMatchObject({ ok: true, hops: [{}, {}] });
  });

  it("may start from another server, whose actors stay in it and whose scopes bound nothing here", () => {
    const act = { sub: "https://idp.example/agents/1" };
    const origin = { issuer: "https://idp.example", sub: "ada@idp.example", act };
    const chain = { sub: "client:orchestrator", act };
    const made = exchange(root(), ORCHESTRATOR, {
      receipt: (claims) => ({ ...claims, act: chain, depth: 2, parent: { receipt: null }, origin }),
      token: (claims) => ({ ...claims, act: chain }),
    });
    expect(prove(made)).toMatchObject({ ok: true, origin, hops: [{ scopeBefore: undefined, dropped: [] }] });
  });
});

describe("a receipt that does not continue the one before", () => {
  it.each([
    ["jti", newJti()],
    ["client_id", "another"],
    ["aud", "https://another.example"],
    ["scope", "mail:read db:read db:write"],
    ["exp", 1_900_001_801],
    ["act", { sub: "client:another" }],
  ])("is found by the %s it started from", (name, value) => {
    expect(secondParent({ [name]: value })).toEqual([
      `Hop 2: the ${name} it started from is not what hop 1 made.`,
    ]);
  });

  it.each([
    ["jti", newJti()],
    ["client_id", "another"],
    ["aud", "https://another.example"],
    ["scope", "mail:read mail:send db:read db:write"],
    ["exp", 1_900_003_601],
  ])("is found by the %s of the origin", (name, value) => {
    const made = exchange(root(), ORCHESTRATOR, {
      receipt: (claims) => ({ ...claims, parent: { ...claims.parent, [name]: value } }),
    });
    expect(problemsOf(made)).toEqual([`Hop 1: the ${name} it started from is not that of the origin.`]);
  });

  it("is found by the hash of the receipt before", () => {
    expect(secondParent({ receipt: receiptHash("another") })).toEqual([
      "Hop 2: it continues another receipt than that of hop 1.",
    ]);
  });

  it("is found where actors were there before the first hop", () => {
    const made = exchange(root("user:ada", { sub: "client:hidden" }), ORCHESTRATOR);
    expect(problemsOf(made)).toEqual([
      "Hop 1: the token it started from names actors (act) that no receipt proves.",
      "Hop 1: its actors are not those before it with at most one more in front.",
    ]);
  });
});

describe("a hop that gives more than there was", () => {
  it("is found by its scope", () => {
    const made = exchange(exchange(root(), ORCHESTRATOR), { ...SEARCH, scope: ["db:read", "mail:send"] });
    expect(problemsOf(made)).toEqual(["Hop 2: its scope gained mail:send."]);
  });

  it("is found by its scope at the first hop", () => {
    const made = exchange(root(), { ...ORCHESTRATOR, scope: ["admin:all", "db:read", "db:write"] });
    expect(problemsOf(made)).toEqual(["Hop 1: its scope gained admin:all db:write."]);
  });

  it("is found by its lifetime", () => {
    const made = exchange(exchange(root(), ORCHESTRATOR), { ...SEARCH, ttl: 1801 });
    expect(problemsOf(made)).toEqual(["Hop 2: its token outlives the one before."]);
  });

  it("is found by its subject", () => {
    const sub = "user:eve";
    const made = exchange(exchange(root(), ORCHESTRATOR), SEARCH, {
      receipt: (claims) => ({ ...claims, sub }),
      token: (claims) => ({ ...claims, sub }),
    });
    expect(problemsOf(made)).toEqual(["Hop 2: its subject changed from user:ada to user:eve."]);
  });

  it.each([
    [
      "two actors at once",
      3,
      { sub: "client:search", act: { sub: "client:x", act: { sub: "client:orchestrator" } } },
    ],
    ["an actor left out", 1, { sub: "client:search" }],
    ["no actor at all", 0, undefined],
    ["an actor put in between", 2, { sub: "client:orchestrator", act: { sub: "client:search" } }],
    [
      "an actor of another issuer",
      2,
      { sub: "client:search", act: { sub: "client:orchestrator", iss: "https://x" } },
    ],
    [
      "somebody else's root",
      2,
      { sub: "client:search", act: { sub: "client:orchestrator", act: { sub: "user:eve" } } },
    ],
  ])("is found by its actors: %s", (_name, depth, act) => {
    const made = exchange(exchange(root(), ORCHESTRATOR), SEARCH, {
      receipt: (claims) => ({ ...claims, act, depth }),
      token: (claims) => ({ ...claims, act }),
    });
    expect(problemsOf(made)).toEqual([
      "Hop 2: its actors are not those before it with at most one more in front.",
    ]);
  });

  it("is found by its depth", () => {
    expect(secondReceipt({ depth: 1 })).toEqual(["Hop 2: its depth is 1, and its chain has 2 actors."]);
  });
});

describe("a token that the last receipt did not make", () => {
  it.each([
    ["jti", newJti()],
    ["client_id", "another"],
    ["aud", "https://another.example"],
    ["scope", "db:read db:write"],
    ["exp", 1_900_000_901],
    ["sub", "user:eve"],
    ["act", { sub: "client:another" }],
  ])("is found by its %s", (name, value) => {
    expect(secondHop({ token: (claims) => ({ ...claims, [name]: value }) })).toEqual([
      `The token's ${name} is not what hop 2 made.`,
    ]);
  });

  it("is found by the receipt it names", () => {
    expect(secondHop({ token: (claims) => ({ ...claims, rcpt: receiptHash("another") }) })).toEqual([
      "The token names another receipt (rcpt) than the last one of the bundle.",
    ]);
  });

  it("is found where it names actors and no receipt", () => {
    expect(problemsOf(root("user:ada", { sub: "client:agnt_1" }))).toEqual([
      "The token names actors (act) and no receipt (rcpt) that proves them.",
    ]);
  });

  it("is found where somebody else's receipts come with it", () => {
    expect(problemsOf({ ...root(), receipts: threeHops().receipts })).toEqual([
      "The token names no receipt (rcpt), and the bundle has some.",
    ]);
  });

  it("is found where no receipts come with it", () => {
    expect(problemsOf({ ...threeHops(), receipts: [] })).toEqual([
      "The receipt that the token names (rcpt) is not in the bundle.",
    ]);
  });
});

describe("a bundle that was rearranged", () => {
  it("is found where a hop is missing in the middle", () => {
    const { token, receipts } = threeHops();
    const [first = "", , third = ""] = receipts;
    expect(problemsOf({ token, receipts: [first, third] })).toEqual([
      "Hop 2: it continues another receipt than that of hop 1.",
      "Hop 2: the jti it started from is not what hop 1 made.",
      "Hop 2: the client_id it started from is not what hop 1 made.",
      "Hop 2: the aud it started from is not what hop 1 made.",
      "Hop 2: the scope it started from is not what hop 1 made.",
      "Hop 2: the exp it started from is not what hop 1 made.",
      "Hop 2: the act it started from is not what hop 1 made.",
      "Hop 2: its actors are not those before it with at most one more in front.",
    ]);
  });

  it("is found where the first hop is missing", () => {
    const { token, receipts } = threeHops();
    expect(problemsOf({ token, receipts: receipts.slice(1) })).toEqual([
      "Hop 1: it continues a receipt that is not in the bundle.",
    ]);
  });

  it("is found where the last hop is missing", () => {
    const { token, receipts } = threeHops();
    expect(problemsOf({ token, receipts: receipts.slice(0, 2) })[0]).toBe(
      "The token names another receipt (rcpt) than the last one of the bundle.",
    );
  });

  it("is found where the hops stand in another order", () => {
    const { token, receipts } = threeHops();
    const problems = problemsOf({ token, receipts: receipts.toReversed() });
    expect(problems[0]).toBe("Hop 1: it continues a receipt that is not in the bundle.");
    expect(problems).toContain("Hop 3: it starts a chain of its own and does not continue hop 2.");
  });

  it("is found where the beginning of one chain is joined to the end of another (splicing)", () => {
    const [one, other] = [threeHops(), threeHops()];
    const receipts = [...one.receipts.slice(0, 2), ...other.receipts.slice(2)];
    expect(problemsOf({ token: other.token, receipts })).toEqual([
      "Hop 3: it continues another receipt than that of hop 2.",
      "Hop 3: the jti it started from is not what hop 2 made.",
    ]);
  });

  it("is found where a chain is put behind another", () => {
    const [one, other] = [exchange(root(), ORCHESTRATOR), exchange(root(), ORCHESTRATOR)];
    expect(problemsOf({ token: other.token, receipts: [...one.receipts, ...other.receipts] })).toEqual([
      "Hop 2: it starts a chain of its own and does not continue hop 1.",
    ]);
  });
});

describe("what nobody we trust has signed", () => {
  const resigned = (key: typeof ours, typ: string, jws: string) =>
    signCompactJws(key.signer, typ, JSON.parse(Buffer.from(jws.split(".")[1] ?? "", "base64url").toString()));

  it("is found by the signature of the token", () => {
    const { token, receipts } = threeHops();
    expect(problemsOf({ token: resigned(theirs, "at+jwt", token), receipts })).toEqual([
      "The token cannot be believed: the signature or its algorithm is wrong.",
    ]);
  });

  it("is found by the signature of a receipt, and every one of them is named", () => {
    const { token, receipts } = threeHops();
    const [first = "", second = "", third = ""] = receipts;
    const forged = [first, resigned(theirs, "receipt+jwt", second), resigned(ours, "at+jwt", third)];
    expect(problemsOf({ token, receipts: forged })).toEqual([
      "Hop 2: its receipt cannot be believed: the signature or its algorithm is wrong.",
      "Hop 3: its receipt cannot be believed: typ is not receipt+jwt.",
    ]);
  });

  it("is found by the keys the caller trusts, whatever the bundle brings", () => {
    const made = threeHops();
    const forged = {
      token: resigned(theirs, "at+jwt", made.token),
      receipts: made.receipts.map((jws) => resigned(theirs, "receipt+jwt", jws)),
    };
    const bundle = bundleOf(forged, { jwks: { keys: [theirs.jwk] } });
    expect(problemsOf(forged, { bundle, jwks })[0]).toBe(
      "The token cannot be believed: the signature or its algorithm is wrong.",
    );
  });

  it("is found by a key that is not there, or not one of ours", () => {
    const unusable = { keys: [{ ...ours.jwk, alg: "ES384" }] };
    expect(problemsOf(root(), { jwks: unusable })).toEqual([
      "The token cannot be believed: kid names no key.",
    ]);
  });

  it("is found by the issuer that the caller expects", () => {
    expect(problemsOf(exchange(root(), ORCHESTRATOR), { issuer: "https://other.example" })).toEqual([
      `The token was issued by ${ISSUER}, not by https://other.example.`,
      `Hop 1: its receipt was signed for ${ISSUER}, not for https://other.example.`,
    ]);
  });

  it("is found where a receipt has a member that nobody knows", () => {
    expect(secondReceipt({ note: "trust me" })).toEqual([
      "Hop 2: its receipt cannot be believed: a member of the receipt is missing, unknown or malformed.",
    ]);
  });

  it("is found where it is no bundle, or has no keys", () => {
    const { token } = root();
    expect(problemsOf({ token, receipts: [] }, { bundle: { receipts: [] } })).toEqual([
      "The bundle is not in the form that a server exports.",
    ]);
    expect(problemsOf({ token, receipts: [] }, { jwks: [ours.jwk] })).toEqual([
      "The keys are no JWKS whose keys have kid and alg.",
    ]);
  });
});

describe("any chain", () => {
  const SCOPES = ["mail:read", "mail:send", "db:read", "db:write"];
  const wanted = fc.record({
    agent: fc.constantFrom("orchestrator", "search", "database"),
    scope: fc.subarray(SCOPES),
    ttl: fc.integer({ min: 1, max: 4000 }),
  });

  it("is proven exactly when no hop gains scope or time", () => {
    fc.assert(
      fc.property(fc.array(wanted, { maxLength: 5 }), (hops) => {
        const made = hops.reduce((before, hop) => exchange(before, hop), root());
        const states = [{ scope: SCOPES.slice(0, 3), ttl: 3600 }, ...hops];
        const narrows = hops.every(({ scope, ttl }, index) => {
          const before = states[index];
          return (
            before !== undefined && ttl <= before.ttl && scope.every((name) => before.scope.includes(name))
          );
        });
        expect(prove(made).ok).toBe(narrows);
      }),
      { numRuns: 60 },
    );
  });

  it("is proven by its own receipts in their own order only", () => {
    const { token, receipts } = threeHops();
    const others = threeHops().receipts;
    fc.assert(
      fc.property(fc.shuffledSubarray([...receipts, ...others]), (some) => {
        const proven = prove({ token, receipts: some }).ok;
        expect(proven).toBe(some.length === 3 && some.every((jws, index) => jws === receipts[index]));
      }),
      { numRuns: 100 },
    );
  });
});

describe("authorization details (RFC 9396 §9)", () => {
  const pay = (value: number) => ({ type: "payment", value });
  const tool = { type: "mcp_tool", name: "search" };
  const start = () => root("user:ada", undefined, [pay(40), tool]);
  const afterOne = (details: Details, next: Details | undefined = undefined) => {
    const first = exchange(start(), { ...ORCHESTRATOR, details });
    return next ? exchange(first, { ...SEARCH, details: next }) : first;
  };

  it("of fewer details, or of the same, a chain is proven, and each hop names their types", () => {
    const proof = prove(afterOne([pay(40), tool], [pay(30)]));
    const both = ["payment", "mcp_tool"];
    expect(proof).toMatchObject({
      hops: [
        { detailsBefore: both, detailsAfter: both },
        { detailsBefore: both, detailsAfter: ["payment"] },
      ],
    });
  });

  it("a hop that gains a detail of a type, or a second one, is found", () => {
    const problem = (hop: number, type: string) => `Hop ${hop}: its authorization details gained ${type}.`;
    expect(problemsOf(afterOne([pay(40), { type: "admin" }]))).toEqual([problem(1, "admin")]);
    expect(problemsOf(afterOne([pay(20), pay(20)]))).toEqual([problem(1, "payment")]);
    expect(problemsOf(afterOne([pay(40)], [pay(40), tool]))).toEqual([problem(2, "mcp_tool")]);
    expect(problemsOf(afterOne([], [tool]))).toEqual([problem(2, "mcp_tool")]);
  });

  it("a token that says others than its receipt is found", () => {
    const token = (claims: AccessTokenClaims) => ({ ...claims, authorization_details: [pay(4000)] });
    expect(problemsOf(exchange(start(), { ...ORCHESTRATOR, details: [pay(40)] }, { token }))).toEqual([
      "The token's authorization_details is not what hop 1 made.",
    ]);
  });

  it("a hop that starts from others than the one before it made is found", () => {
    const receipt = (claims: ReceiptClaims) => ({
      ...claims,
      parent: { ...claims.parent, authorization_details: [pay(4000)] },
    });
    const first = exchange(start(), { ...ORCHESTRATOR, details: [pay(40)] });
    expect(problemsOf(exchange(first, { ...SEARCH, details: [pay(40)] }, { receipt }))).toEqual([
      "Hop 2: the authorization_details it started from is not what hop 1 made.",
    ]);
  });

  it("names in another order are the same detail", () => {
    const turned = { value: 40, type: "payment" };
    const token = (claims: AccessTokenClaims) => ({ ...claims, authorization_details: [turned] });
    expect(problemsOf(exchange(start(), { ...ORCHESTRATOR, details: [pay(40)] }, { token }))).toEqual([
      "proven",
    ]);
  });
});
