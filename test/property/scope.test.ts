import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { isOAuthError } from "@/lib/errors";
import { checkRedirectUri, matchesRedirectUri } from "@/lib/oauth/redirect-uri";
import { type App, newBrowser, pkce, tokensOf } from "@/test/support/client";
import { type PublicServer, publicServer } from "@/test/support/public-server";
import { claimsOf } from "@/test/support/signer";

describe("scope", () => {
  const OFFERED = ["a", "b", "c", "d"];
  /** What somebody may name: what the resource offers, and what it does not. */
  const names = fc.subarray([...OFFERED, "admin:all", "e"], { minLength: 1 });
  /** What the operator registered for an app; null: whatever a resource offers. */
  const REGISTERED = [["a", "b"], ["b", "c", "d"], ["a", "e", "admin:all"], null];

  let s: PublicServer;
  let resource: string;
  let apps: { app: App; ceiling: readonly string[] }[];

  beforeAll(async () => {
    s = await publicServer();
    resource = await s.createResource(OFFERED);
    apps = await Promise.all(
      REGISTERED.map(async (scope) => ({
        app: await s.createApp(scope ? { scope: scope.join(" ") } : {}),
        ceiling: OFFERED.filter((name) => !scope || scope.includes(name)),
      })),
    );
  });

  const wordsOf = (scope: unknown): string[] => String(scope).split(" ").sort();

  it("never widens from consent through code and refresh to introspection", async () => {
    const runs = fc.record({
      which: fc.constantFrom(0, 1, 2, 3),
      asked: names,
      ticked: names,
      wanted: names,
    });
    const property = fc.asyncProperty(runs, async ({ which, asked, ticked, wanted }) => {
      const { app, ceiling } = apps[which] ?? { app: { clientId: "", redirectUri: "" }, ceiling: [] };
      const allowed = asked.filter((name) => ceiling.includes(name) && ticked.includes(name)).sort();
      // A person for each run: what stands from an earlier one would rightly come along.
      const from = { person: await s.c.signIn(), browser: newBrowser() };
      const { verifier, challenge } = pkce();
      const params = { resource, scope: asked.join(" "), code_challenge: challenge };
      const location = await s.c.answerFor(app, params, { ...from, allow: ticked });
      const code = location.searchParams.get("code");
      expect(code !== null).toBe(allowed.length > 0);
      if (code === null) return;

      const tokens = await tokensOf(await s.c.redeem(app, { code, verifier }, { scope: wanted.join(" ") }));
      const narrower = await s.c.refresh(app, tokens.refresh_token, { scope: wanted.join(" ") });
      expect(narrower.status).toBe(wanted.every((name) => allowed.includes(name)) ? 200 : 400);
      const refresh =
        narrower.status === 200 ? (await tokensOf(narrower)).refresh_token : tokens.refresh_token;
      const refreshed = await tokensOf(await s.c.refresh(app, refresh));
      for (const { scope, access_token } of [tokens, refreshed]) {
        expect(wordsOf(scope)).toEqual(allowed);
        expect(wordsOf(claimsOf(access_token).scope)).toEqual(allowed);
        expect(wordsOf((await s.introspect(access_token)).scope)).toEqual(allowed);
      }
    });
    await fc.assert(property, { numRuns: 25, seed: 17 });
  });
});

describe("redirect URIs", () => {
  const LOOPBACK = ["127.0.0.1", "localhost", "[::1]"];
  const hosts = fc.constantFrom(
    ...LOOPBACK,
    "app.example",
    "127.0.0.1.evil.example",
    "evil.example",
    "a@evil.example",
  );
  const uris = fc
    .record({
      scheme: fc.constantFrom("http", "https", "HTTP", "com.example.app"),
      host: hosts,
      port: fc.constantFrom("", ":80", ":443", ":33418", ":70000", ":0", ":@evil.example"),
      path: fc.constantFrom(
        "",
        "/",
        "/cb",
        "/cb/",
        "/CB",
        "/cb?x=1",
        "/../cb",
        "/%63b",
        "//evil.example",
        "\\evil",
      ),
    })
    .map(({ scheme, host, port, path }) => `${scheme}://${host}${port}${path}`);

  function mayBeRegistered(uri: string): boolean {
    try {
      checkRedirectUri(uri);
      return true;
    } catch (error) {
      if (isOAuthError(error)) return false;
      throw error;
    }
  }

  it("are matched byte for byte, but for port and name of a loopback one", () => {
    const registrable = uris.filter(mayBeRegistered);
    const property = fc.property(registrable, uris, (registered, sent) => {
      if (!matchesRedirectUri([registered], sent) || registered === sent) return;
      const [a, b] = [new URL(registered), new URL(sent)];
      expect([a.protocol, b.protocol]).toEqual(["http:", "http:"]);
      expect(LOOPBACK).toContain(a.hostname);
      expect(LOOPBACK).toContain(b.hostname);
      expect([b.username, b.pathname, b.search, b.hash]).toEqual([a.username, a.pathname, a.search, a.hash]);
    });
    fc.assert(property, { numRuns: 5000, seed: 17 });
  });

  it("match where they should: the property above is not empty", () => {
    const matched = LOOPBACK.map((host) =>
      matchesRedirectUri(["http://127.0.0.1/cb"], `http://${host}:33418/cb`),
    );
    expect(matched).toEqual([true, true, true]);
  });
});
