import { beforeEach, describe, expect, it } from "vitest";
import type { Context } from "@/lib/context";
import { isOAuthError } from "@/lib/errors";
import type { JwsAlgorithm } from "@/lib/oauth/jws";
import { type ClientKey, newClientKey } from "@/test/support/client-assertion";
import { type TestContext, testContext, unique } from "@/test/support/context";
import { findClientKey, takesTokenEndpointAudience } from "./client-keys";
import type { Client } from "./clients";

type Keys = Pick<Client, "jwks" | "jwksUri">;

let t: TestContext;
let key: ClientKey;
/** What was asked for, and how. */
const asked: { url: string; accept: string; maxBytes: number | undefined }[] = [];
let published: Record<string, unknown>[];

const fetchPublic: Context["fetchPublic"] = async (url, { accept, maxBytes }) => {
  asked.push({ url: url.href, accept, maxBytes });
  const headers = new Headers({ "content-type": "application/jwk-set+json; charset=utf-8" });
  return { status: 200, headers, body: JSON.stringify({ keys: published }) };
};

beforeEach(async () => {
  t = await testContext({ fetchPublic });
  key = await newClientKey("k1");
  published = [key.publicJwk];
  asked.length = 0;
});

const at = (jwksUri = `https://${unique("keys-")}.example/jwks`): Keys => ({ jwks: null, jwksUri });
const here = (...keys: Record<string, unknown>[]): Keys => ({ jwks: { keys }, jwksUri: null });

/** Whether a key is found; or the refusal's code. */
async function found(
  client: Keys,
  kid: string | null = "k1",
  { alg = "ES256" as JwsAlgorithm, caller = "198.51.100.1" } = {},
): Promise<unknown> {
  try {
    return (
      (await findClientKey(t.ctx, client as Client, { kid: kid ?? undefined, alg, caller })) !== undefined
    );
  } catch (error) {
    if (!isOAuthError(error)) throw error;
    return error.code;
  }
}

describe("keys in the registration", () => {
  it("by kid and algorithm, or the only one that fits; nothing is fetched", async () => {
    const rsa = await newClientKey("k2", "RS256");
    const client = here(key.publicJwk, rsa.publicJwk);
    expect([
      await found(client, "k1"),
      await found(client, "k2"),
      await found(client, "k2", { alg: "RS256" }),
      await found(client, null),
      await found(client, "k3"),
    ]).toEqual([true, false, true, true, false]);
    expect(asked).toEqual([]);
  });

  it("none of two that fit where no kid is named, and none of no keys", async () => {
    const second = await newClientKey("k2");
    expect(await found(here(key.publicJwk, second.publicJwk), null)).toBe(false);
    expect(await found({ jwks: null, jwksUri: null })).toBe(false);
  });
});

describe("keys at an address", () => {
  it("are fetched as a stranger's document is, once in five minutes", async () => {
    const client = at();
    expect([await found(client), await found(client)]).toEqual([true, true]);
    expect(asked).toEqual([
      { url: client.jwksUri, accept: "application/json, application/jwk-set+json", maxBytes: 65_536 },
    ]);
  });

  it("are shared by the clients that name the same address, and by no others", async () => {
    const client = at();
    for (const one of [client, { ...client }, at()]) expect(await found(one)).toBe(true);
    expect(asked).toHaveLength(2);
  });

  it("are looked at 20 times a minute for one caller, and for another still", async () => {
    const caller = "198.51.100.2";
    for (let n = 0; n < 20; n++) expect(await found(at(), "k1", { caller })).toBe(true);
    const one = at();
    expect(await found(one, "k1", { caller })).toBe("temporarily_unavailable");
    expect(await found(one, "k1", { caller: "198.51.100.3" })).toBe(true);
    expect(asked).toHaveLength(21);
  });

  it("a caller without cause left keeps nobody from the keys who asks at the same time", async () => {
    const caller = "198.51.100.4";
    for (let n = 0; n < 20; n++) await found(at(), "k1", { caller });
    const one = at();
    const both = [found(one, "k1", { caller }), found(one, "k1", { caller: "198.51.100.5" })];
    expect((await Promise.all(both))[1]).toBe(true);
  });

  it("a thousand other addresses push out what was not asked for meanwhile, and nothing else", async () => {
    const [busy, idle] = [at(), at()];
    expect([await found(busy), await found(idle)]).toEqual([true, true]);
    for (let n = 0; n < 1000; n++) {
      await found(at(), "k1", { caller: `2001:db8:${n}::1` });
      if (n % 100 === 0) expect(await found(busy)).toBe(true);
    }
    asked.length = 0;
    expect([await found(busy), await found(idle)]).toEqual([true, true]);
    expect(asked.map(({ url }) => url)).toEqual([idle.jwksUri]);
  });
});

it.each<[string, Partial<Client>, boolean]>([
  ["ChatGPT", { kind: "document", clientId: "https://chatgpt.com/oauth/client.json" }, true],
  ["another host", { kind: "document", clientId: "https://chatgpt.com.evil.example/c" }, false],
  ["a host below it", { kind: "document", clientId: "https://x.chatgpt.com/c" }, false],
  ["a client that is only called so", { kind: "dynamic", clientId: "https://chatgpt.com/c" }, false],
  ["one an operator said it of", { kind: "static", clientId: "app_1", legacyAssertionAudience: true }, true],
  ["any other", { kind: "static", clientId: "app_1" }, false],
])("D21: %s may name the token endpoint as aud: %s", (_who, client, expected) => {
  expect(takesTokenEndpointAudience({ legacyAssertionAudience: false, ...client } as Client)).toBe(expected);
});
