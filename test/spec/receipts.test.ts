import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { eq } from "drizzle-orm";
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import type { CommandError } from "@/cli/command";
import { verifyChain as command } from "@/cli/commands/verify-chain";
import { receipts } from "@/db/schema/receipts";
import { type Bundle, verifyChain } from "@/lib/oauth/chain-proof";
import { receiptHash } from "@/lib/oauth/receipt";
import { GRANT_TYPES, TOKEN_TYPES } from "@/lib/oauth/token-types";
import { pruneKeys, rotateKeys } from "@/lib/services/keys";
import { pruneReceipts } from "@/lib/services/receipts";
import { revokeAccessToken } from "@/lib/services/tokens";
import { type App, basic, refusalOf, tokensOf } from "@/test/support/client";
import { listening } from "@/test/support/listening";
import { type PublicServer, publicServer } from "@/test/support/public-server";
import { claimsOf, ownSigner } from "@/test/support/signer";

const ISSUER = "https://auth.example.com";
const DAY = 86_400;

type Story = {
  /** Of the app the person uses, and of the three agents behind it. */
  tokens: readonly [string, string, string, string];
  apps: readonly [App, App, App, App];
  resources: readonly [string, string, string, string];
  person: string;
};

/** A person's app, then an orchestrator, a search and a database agent, each with less than the one before. */
async function delegate(s: PublicServer): Promise<Story> {
  const all = ["mail:read", "mail:send", "db:read"];
  const resource = () => s.createResource(all);
  const resources = [await resource(), await resource(), await resource(), await resource()] as const;
  const agent = (index: 0 | 1 | 2) =>
    s.createService({
      grant_types: [GRANT_TYPES.tokenExchange],
      allowed_resources: [resources[index], resources[index + 1]],
    });
  const apps = [await s.createApp(), await agent(0), await agent(1), await agent(2)] as const;
  const person = await s.c.signIn();
  const { access_token: first } = await s.c.tokensFor(
    apps[0],
    { resource: resources[0], scope: all.join(" ") },
    { person },
  );
  const exchange = async (index: 1 | 2 | 3, token: string, scope: string) =>
    (
      await tokensOf(
        await s.c.token(apps[index], {
          grant_type: GRANT_TYPES.tokenExchange,
          subject_token: token,
          subject_token_type: TOKEN_TYPES.accessToken,
          resource: resources[index],
          scope,
        }),
      )
    ).access_token;
  const orchestrator = await exchange(1, first, "mail:read db:read");
  const search = await exchange(2, orchestrator, "db:read");
  const database = await exchange(3, search, "db:read");
  return {
    tokens: [first, orchestrator, search, database],
    apps,
    resources,
    person: `user:${person.user.id}`,
  };
}

let s: PublicServer;
let story: Story;

beforeAll(async () => {
  s = await publicServer();
  story = await delegate(s);
});

const ask = (token: string, headers: Record<string, string> = s.operator) =>
  s.c.form("/receipts", { token }, headers);

const bundleOf = async (token: string): Promise<Bundle> => (await ask(token)).json();

const prove = (token: string, bundle: Bundle) =>
  verifyChain({ token, bundle, issuer: ISSUER, now: s.t.ctx.now() });

describe("Receipts of a delegation", () => {
  it("each hop's token names the receipt of its hop, and the receipt the one before", async () => {
    const { receipts: chain } = await bundleOf(story.tokens[3]);
    const [first = "", second = "", third = ""] = chain;
    expect(chain).toHaveLength(3);
    expect(story.tokens.slice(1).map((token) => claimsOf(token).rcpt)).toEqual(chain.map(receiptHash));
    expect([first, second, third].map((jws) => claimsOf(jws).parent)).toMatchObject([
      { receipt: null },
      { receipt: receiptHash(first) },
      { receipt: receiptHash(second) },
    ]);
    expect(claimsOf(story.tokens[0])).not.toHaveProperty("rcpt");
  });

  it("prove offline who acted, with what, and what each of them gave up", async () => {
    const [, orchestrator, search, database] = story.apps;
    const proof = prove(story.tokens[3], await bundleOf(story.tokens[3]));
    expect(proof).toMatchObject({
      ok: true,
      expired: false,
      origin: { sub: story.person, client_id: story.apps[0].clientId, jti: claimsOf(story.tokens[0]).jti },
      hops: [
        { actor: `client:${orchestrator.clientId}`, dropped: ["mail:send"], audience: story.resources[1] },
        { actor: `client:${search.clientId}`, dropped: ["mail:read"], audience: story.resources[2] },
        { actor: `client:${database.clientId}`, dropped: [], audience: story.resources[3] },
      ],
    });
  });

  it("prove every token of the chain from its own bundle, and none from another's", async () => {
    const other = await delegate(s);
    const verdicts = await Promise.all(
      story.tokens.map(async (token, index) => [
        prove(token, await bundleOf(token)).ok,
        prove(token, await bundleOf(other.tokens[index] ?? "")).ok,
      ]),
    );
    // A token without a delegation behind it needs no receipt, so any bundle without one will do.
    expect(verdicts).toEqual([
      [true, true],
      [true, false],
      [true, false],
      [true, false],
    ]);
  });

  it("start from the grant and the approval that the person gave", async () => {
    const { hops: _hops, ...proof } = {
      hops: [],
      ...prove(story.tokens[1], await bundleOf(story.tokens[1])),
    };
    expect(proof).toMatchObject({
      origin: { grant: expect.stringMatching(/^\S{10,}$/), approval: expect.stringMatching(/^\S{10,}$/) },
    });
  });

  it("say the same end as the token, however long the server took to make both", async () => {
    const own = await publicServer();
    const { now } = own.t.ctx;
    let looks = 0;
    own.t.ctx.now = () => new Date(now().getTime() + 300 * ++looks);
    const { tokens } = await delegate(own);
    const response = await own.c.form("/receipts", { token: tokens[3] }, own.operator);
    expect(prove(tokens[3], await response.json())).toMatchObject({ ok: true });
  });

  it("exist exactly for the tokens that exist: a refused exchange leaves none", async () => {
    const count = () => s.t.ctx.db.$count(receipts);
    const before = await count();
    const refused = await s.c.token(story.apps[2], {
      grant_type: GRANT_TYPES.tokenExchange,
      subject_token: story.tokens[1],
      subject_token_type: TOKEN_TYPES.accessToken,
      resource: story.resources[2],
      scope: "mail:send",
    });
    expect(await refusalOf(refused)).toEqual({ status: 400, error: "invalid_scope" });
    expect(await count()).toBe(before);
  });
});

describe("POST /receipts", () => {
  it("200: is not to be stored", async () => {
    const response = await ask(story.tokens[3]);
    expect([response.status, response.headers.get("cache-control")]).toEqual([200, "no-store"]);
    expect(response.headers.get("access-control-allow-origin")).toBe(null);
  });

  it("200: holds public keys only", async () => {
    const members = (await bundleOf(story.tokens[3])).jwks.keys.flatMap((jwk) => Object.keys(jwk));
    expect(members.filter((name) => ["d", "p", "q", "dp", "dq", "qi", "k"].includes(name))).toEqual([]);
  });

  it("200: for the client that holds the token", async () => {
    expect((await ask(story.tokens[3], basic(story.apps[3]))).status).toBe(200);
  });

  it("200: also when the token was revoked", async () => {
    const { tokens } = await delegate(s);
    await revokeAccessToken(s.t.ctx, String(claimsOf(tokens[3]).jti), {
      type: "token.revoked",
      actor: "operator",
    });
    expect(await s.isActive(tokens[3])).toBe(false);
    expect(prove(tokens[3], await bundleOf(tokens[3]))).toMatchObject({ ok: true, expired: false });
  });

  it("400: without a token", async () => {
    expect(await refusalOf(await s.c.form("/receipts", {}, s.operator))).toEqual({
      status: 400,
      error: "invalid_request",
    });
  });

  it("400: the same for a token of somebody else, of another server, and for what is no token", async () => {
    const stranger = basic(await s.createService());
    const { sign } = await ownSigner(s.t.ctx);
    const claims = claimsOf(story.tokens[3]);
    const answers = await Promise.all([
      ask(story.tokens[3], stranger),
      ask(sign({ ...claims, iss: "https://other.example" })),
      ask(sign(claims, { kid: "unknown" })),
      ask(`${story.tokens[3].slice(0, -4)}AAAA`),
      ask((await bundleOf(story.tokens[3])).receipts[0] ?? ""),
      ask("no token"),
    ]);
    const bodies = await Promise.all(answers.map(async (answer) => [answer.status, await answer.json()]));
    const refusal = [
      400,
      {
        error: "invalid_request",
        error_description: "Send an access token of this server that you may look at.",
        error_uri: `${ISSUER}/errors/invalid_request`,
      },
    ];
    expect(bodies).toEqual(bodies.map(() => refusal));
  });

  it("401: for somebody unknown", async () => {
    expect(await refusalOf(await ask(story.tokens[3], {}))).toEqual({ status: 401, error: "invalid_client" });
  });
});

/** The exit code, and what is printed. */
type Refusal = [number, readonly string[]];

describe("authgent verify-chain", () => {
  let directory: string;
  let files: { bundle: string; jwks: string };

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "authgent-"));
    files = { bundle: join(directory, "bundle.json"), jwks: join(directory, "jwks.json") };
    await writeFile(files.bundle, JSON.stringify(await bundleOf(story.tokens[3])));
    await writeFile(files.jwks, await (await s.c.call("/.well-known/jwks.json")).text());
  });
  afterAll(() => rm(directory, { recursive: true }));
  beforeEach(() => () => vi.unstubAllEnvs());

  const refusal = (options: Parameters<typeof command.run>[0]) =>
    command.run(options).then(
      (): Refusal => [0, []],
      ({ message, exitCode }: CommandError): Refusal => [exitCode, message.split("\n")],
    );

  it("proves a token from a bundle alone, and says whose keys those are", async () => {
    const report = (await command.run({ token: story.tokens[3], bundle: files.bundle })).split("\n");
    expect(report[0]).toBe(`Issued by ${ISSUER} for ${story.person}.`);
    expect(report.slice(3, 7).map((line) => line.split(/ {2,}/)[1])).toEqual(
      story.apps.map(({ clientId }) => `client:${clientId}`),
    );
    expect(report.slice(-2)).toEqual([
      "Proven: 3 hops, and none gave more than there was before it. This proves how the token came about, not that it still counts: ask /introspect.",
      "The keys came from the bundle itself; pass --jwks to prove with keys you know.",
    ]);
  });

  it("needs no trust in the bundle with keys of one's own", async () => {
    const report = await command.run({ token: story.tokens[3], ...files, issuer: ISSUER });
    expect(report.split("\n").at(-1)).toMatch(/^Proven: 3 hops/);
  });

  it("exits with 1 where the chain is not proven", async () => {
    const [code, lines] = await refusal({ token: story.tokens[2], bundle: files.bundle, issuer: ISSUER });
    expect([code, lines.slice(0, 2)]).toEqual([
      1,
      ["Not proven:", "  The token names another receipt (rcpt) than the last one of the bundle."],
    ]);
  });

  it.each([
    [{ bundle: "b", save: "s" }, "Leave out --save: the bundle is a file already."],
    [{ bundle: "/nowhere.json" }, "Cannot read /nowhere.json."],
    [{ "client-id": "c" }, "Give --client-id and --client-secret together."],
  ])("exits with 2 where nothing can be judged: %j", async (options, message) => {
    expect(await refusal({ token: story.tokens[3], ...options })).toEqual([2, [message]]);
  });

  it("takes keys from no address that somebody on the way can replace", async () => {
    const jwks = "http://auth.example.com/.well-known/jwks.json";
    expect(await refusal({ token: story.tokens[3], bundle: files.bundle, jwks })).toEqual([
      2,
      ["Give --jwks as a file or an https address."],
    ]);
  });

  describe("from the running server", () => {
    let server: Awaited<ReturnType<typeof listening>>;
    let token: string;
    let unknown: string;

    beforeAll(async () => {
      server = await listening();
      const { sign } = await ownSigner(server.t.ctx);
      const claims = { ...claimsOf(story.tokens[0]), iss: server.url };
      token = sign(claims);
      unknown = sign(claims, { kid: "unknown" });
    });
    afterAll(() => server.close());
    beforeEach(() => void vi.stubEnv("AUTHGENT_SERVER_URL", server.url));

    it("fetches the bundle, keeps it, and proves with the keys of an address", async () => {
      const save = join(directory, "saved.json");
      const jwks = `${server.url}/.well-known/jwks.json`;
      const report = await command.run({ token, save, jwks });
      expect(report.split("\n").at(-1)).toMatch(/^Proven: nobody was delegated to\./);
      expect(JSON.parse(await readFile(save, "utf8"))).toMatchObject({ issuer: server.url, receipts: [] });
    });

    it("repeats what the server refuses", async () => {
      expect(await refusal({ token: unknown })).toEqual([
        2,
        ["Send an access token of this server that you may look at."],
      ]);
    });

    it("says that the keys came from the server where none were given", async () => {
      expect((await command.run({ token })).split("\n").slice(-2)).toEqual([
        "Proven: nobody was delegated to. This proves how the token came about, not that it still counts: ask /introspect.",
        "The keys came from the server's answer; pass --jwks to prove with keys you know.",
      ]);
    });

    it("asks the server of --issuer, wherever the settings point", async () => {
      vi.stubEnv("AUTHGENT_SERVER_URL", "http://localhost:8000");
      const report = await command.run({ token, issuer: server.url });
      expect(report.split("\n")[0]).toBe(`Issued by ${server.url} for ${story.person}.`);
    });
  });
});

// Last, since it deletes what the worker's database has of others.
describe("when time has passed", () => {
  it("a chain is proven with keys that are deleted by now, and until 30 days after its end", async () => {
    const own = await publicServer();
    const { tokens } = await delegate(own);
    const { exp } = claimsOf(tokens[3]);
    const { retired } = await rotateKeys(own.t.ctx, { actor: "operator", force: true });
    const secondsLeft = Number(exp) - Math.floor(own.t.ctx.now().getTime() / 1000);

    await own.t.advance(secondsLeft + 30 * DAY - 5);
    await pruneKeys(own.t.ctx);
    await pruneReceipts(own.t.ctx);
    const response = await own.c.form("/receipts", { token: tokens[3] }, own.operator);
    const bundle: Bundle = await response.json();
    expect(bundle.jwks.keys.map(({ kid }) => kid)).toEqual([retired]);
    expect(verifyChain({ token: tokens[3], bundle, now: own.t.ctx.now() })).toMatchObject({
      ok: true,
      expired: true,
    });

    await own.t.advance(10);
    await pruneReceipts(own.t.ctx);
    const gone = await own.c.form("/receipts", { token: tokens[3] }, own.operator);
    expect(await refusalOf(gone)).toEqual({ status: 404, error: "not_found" });
    const left = await own.t.ctx.db
      .select()
      .from(receipts)
      .where(eq(receipts.hash, String(claimsOf(tokens[3]).rcpt)));
    expect(left).toEqual([]);
  });
});
