import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type App, basic, refusalOf } from "@/test/support/client";
import { twoInstances, unique } from "@/test/support/context";
import { dumpOf, unchanged } from "@/test/support/digest";
import { operate, PUBLIC_ENV, type PublicServer } from "@/test/support/public-server";

let s: PublicServer;
let other: PublicServer;
let close: () => Promise<void>;
let app: App;
let publicApp: App;
let service: App;

beforeAll(async () => {
  const [first, second, end] = await twoInstances({ env: PUBLIC_ENV });
  [s, other, close] = [operate(first), operate(second), end];
  app = await s.createApp({ token_endpoint_auth_method: "client_secret_basic" });
  publicApp = await s.createApp();
  service = await s.createService();
});
afterAll(() => close());

const GRANT = { grant_type: "client_credentials" };
const INVALID_CLIENT = { status: 401, error: "invalid_client" };
const wrong = (of: App): App => ({ ...of, secret: `sec_${"x".repeat(43)}` });

/** An address no other test has, so that no failure here counts for another. */
let peers = 0;
const newPeer = () => `198.51.${Math.floor(++peers / 250)}.${(peers % 250) + 1}`;

const byBasic = (as: App, fields: Record<string, string> = GRANT, peer = newPeer(), on = s) =>
  on.c.form("/token", fields, basic(as), peer);
const byBody = (as: App, fields: Record<string, string> = {}) =>
  s.c.form(
    "/token",
    { ...GRANT, client_id: as.clientId, client_secret: as.secret, ...fields },
    {},
    newPeer(),
  );

describe("who is who stays unsaid", () => {
  it("48: a wrong secret, an unknown client and a disabled one get the same answer, with a challenge", async () => {
    const disabled = await s.createService();
    await s.setClientStatus(disabled, "disabled");
    const unknown = { clientId: "app_unknown", secret: "sec_unknown", redirectUri: "" };
    const answers = await unchanged(s.t, () =>
      Promise.all([byBasic(wrong(service)), byBasic(unknown), byBasic(disabled), byBody(wrong(service))]),
    );
    const bodies = await Promise.all(answers.map((answer) => answer.text()));
    expect([answers.map(({ status }) => status), new Set(bodies).size]).toEqual([[401, 401, 401, 401], 1]);
    expect(
      answers.map(({ headers }) => [headers.get("www-authenticate"), headers.get("cache-control")]),
    ).toEqual(
      Array.from({ length: 4 }, () => ['Basic realm="auth.example.com", charset="UTF-8"', "no-store"]),
    );
  });

  it("62: a secret is told once, and neither listed nor stored", async () => {
    const { clientId, secret = "" } = await s.createService();
    const one = await s.c.call(`/clients/one?client_id=${clientId}`, { headers: s.operator });
    const list = await s.c.call("/clients", { headers: s.operator });
    const texts = [await one.text(), await list.text(), await dumpOf(s.t.ctx), s.t.lines.join("\n")];
    expect(texts.map((text) => [text.includes(clientId), text.includes(secret)])).toEqual([
      [true, false],
      [true, false],
      [true, false],
      [false, false],
    ]);
    expect(texts.slice(0, 2).map((text) => /secret_?hash|"client_secret"/i.test(text))).toEqual([
      false,
      false,
    ]);
  });
});

describe("credentials", () => {
  it("49: another client's secret is none", async () => {
    const response = await unchanged(s.t, () => byBasic({ ...service, secret: app.secret ?? "" }));
    expect(await refusalOf(response)).toEqual(INVALID_CLIENT);
  });

  it("50: the header and the body at once are invalid_request (RFC 6749 §2.3)", async () => {
    const fields = { ...GRANT, client_id: service.clientId, client_secret: service.secret ?? "" };
    const response = await unchanged(s.t, () => byBasic(service, fields));
    expect(await refusalOf(response)).toEqual({ status: 400, error: "invalid_request" });
  });

  it("51: a public client that sends a secret is refused", async () => {
    const response = await unchanged(s.t, () => byBody(wrong(publicApp)));
    expect(await refusalOf(response)).toEqual(INVALID_CLIENT);
  });

  it.each(["", undefined])(
    "51: a confidential client that sends the secret %j is refused",
    async (secret) => {
      const body = await s.c.form("/token", { ...GRANT, client_id: service.clientId, client_secret: secret });
      const header = await byBasic({ ...service, secret: secret ?? "" });
      expect([await refusalOf(body), await refusalOf(header)]).toEqual([INVALID_CLIENT, INVALID_CLIENT]);
    },
  );

  it("52, D21: the secret is accepted by header and by body, whichever was registered", async () => {
    const poster = await s.createService({ token_endpoint_auth_method: "client_secret_post" });
    const answers = await Promise.all([byBasic(service), byBody(service), byBasic(poster), byBody(poster)]);
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
  });

  it("54: a client_id in the body that is not the one of the header is refused", async () => {
    const fields = { ...GRANT, client_id: publicApp.clientId };
    const response = await unchanged(s.t, () => byBasic(service, fields));
    expect(await refusalOf(response)).toEqual(INVALID_CLIENT);
  });

  it.each(["Basic", "Basic ", "Basic %%%", `Basic ${btoa("nocolon")}`, `Basic ${btoa("%zz:x")}`, "Digest x"])(
    "54: the header %j is no credential",
    async (authorization) => {
      const response = await s.c.form("/token", { ...GRANT, client_id: service.clientId }, { authorization });
      expect(await refusalOf(response)).toEqual(INVALID_CLIENT);
    },
  );

  it("56–59: a client assertion proves nothing for a client that has a secret or none", async () => {
    const claims = btoa(JSON.stringify({ iss: service.clientId, sub: service.clientId, exp: 4e9 }));
    const assertion = {
      client_assertion_type: "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
      client_assertion: `${btoa('{"alg":"none"}')}.${claims}.`,
    };
    const answers = [
      await s.c.form("/token", { ...GRANT, ...assertion }),
      await s.c.form("/token", { ...GRANT, ...assertion, client_id: publicApp.clientId }),
      await byBasic(service, { ...GRANT, ...assertion }),
    ];
    expect(await Promise.all(answers.map(refusalOf))).toEqual([
      INVALID_CLIENT,
      INVALID_CLIENT,
      // Two methods at once (product decision D21).
      { status: 400, error: "invalid_request" },
    ]);
  });

  it.each(["\u0000", "a\u0000b", "\ud800"])("59: an assertion about %j is about nobody", async (sub) => {
    const segments = [
      { alg: "ES256" },
      { iss: sub, sub, aud: "https://auth.example.com", exp: 4e9, jti: "j" },
    ];
    const [header, payload] = segments.map((part) => Buffer.from(JSON.stringify(part)).toString("base64url"));
    const response = await s.c.form("/token", {
      ...GRANT,
      client_assertion_type: "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
      client_assertion: `${header}.${payload}.AAAA`,
    });
    expect(await refusalOf(response)).toEqual(INVALID_CLIENT);
  });

  it("64: an assertion of 1 MB is refused unread", async () => {
    const response = await s.c.form("/token", { ...GRANT, client_assertion: "e".repeat(1_000_000) });
    expect(await refusalOf(response)).toEqual({ status: 413, error: "content_too_large" });
  });
});

describe("61: a secret is rotated", () => {
  const DAY = 86_400;
  const rotate = (of: App, body: object = {}, on = s) =>
    on.c.json(`/clients/one/secret?client_id=${of.clientId}`, body, on.operator);
  /** The client with its new secret. */
  async function rotated(of: App, body: object = {}, on = s): Promise<App> {
    const response = await rotate(of, body, on);
    expect(response.status).toBe(200);
    return { ...of, secret: (await response.json()).client_secret };
  }
  const statuses = async (apps: readonly App[], on: PublicServer) => {
    const answers = [];
    for (const one of apps) answers.push((await byBasic(one, GRANT, newPeer(), on)).status);
    return answers;
  };

  /** Two instances whose clocks no other test needs. */
  async function withTwo(test: (first: PublicServer, second: PublicServer) => Promise<void>) {
    const [first, second, end] = await twoInstances({ env: PUBLIC_ENV });
    await test(operate(first), operate(second)).finally(end);
  }

  it("the one before is good until the overlap ends, on every instance, and never after it", () =>
    withTwo(async (first, second) => {
      const before = await first.createService();
      expect(await statuses([before], second)).toEqual([200]);
      const now = await rotated(before, { overlap: 3600 }, first);
      for (const on of [first, second]) expect(await statuses([before, now], on)).toEqual([200, 200]);
      for (const on of [first, second]) on.t.advance(3599);
      for (const on of [first, second]) expect(await statuses([before, now], on)).toEqual([200, 200]);
      for (const on of [first, second]) on.t.advance(10);
      for (const on of [first, second]) expect(await statuses([before, now], on)).toEqual([401, 200]);
    }));

  it("without an overlap the one before is dead at once here, and within a second on the other instances", () =>
    withTwo(async (first, second) => {
      const before = await first.createService();
      expect(await statuses([before], second)).toEqual([200]);
      const now = await rotated(before, { overlap: 0 }, first);
      expect(await statuses([before, now], first)).toEqual([401, 200]);
      // The new one is good at once everywhere: whoever was told it may ask any instance.
      expect(await statuses([now], second)).toEqual([200]);
      second.t.advance(1);
      expect(await statuses([before, now], second)).toEqual([401, 200]);
    }));

  it("of two rotations at once one is done, and its answer holds: its secret is current, the one before lives on", () =>
    withTwo(async (first, second) => {
      for (let round = 0; round < 10; round++) {
        const before = await first.createService();
        const answers = await Promise.all([first, second].map((on) => rotate(before, {}, on)));
        expect(answers.map(({ status }) => status).sort()).toEqual([200, 409]);
        const [done] = answers.filter(({ status }) => status === 200);
        const { client_secret: secret } = await (done as Response).json();
        const now = { ...before, secret };
        for (const on of [first, second]) on.t.advance(1);
        for (const on of [first, second]) expect(await statuses([before, now], on)).toEqual([200, 200]);
      }
    }));

  it("of two that ask for no overlap the later one's secret is current, and no other", () =>
    withTwo(async (first, second) => {
      for (let round = 0; round < 10; round++) {
        const before = await first.createService();
        const answers = await Promise.all([first, second].map((on) => rotate(before, { overlap: 0 }, on)));
        const made = await Promise.all(
          answers.map(async (answer) => ({ ...before, secret: (await answer.json()).client_secret })),
        );
        for (const on of [first, second]) on.t.advance(1);
        const seen = await statuses([before, ...made], second);
        expect([seen[0], seen.slice(1).sort()]).toEqual([401, [200, 401]]);
        expect(await statuses([before, ...made], first)).toEqual(seen);
      }
    }));

  it("while an earlier one is good there is no second rotation, but one that ends them all", async () => {
    const first = await s.createService();
    const second = await rotated(first, { overlap: 7 * DAY });
    const again = await unchanged(s.t, () => rotate(first));
    expect(await refusalOf(again)).toEqual({ status: 409, error: "conflict" });
    const third = await rotated(first, { overlap: 0 });
    expect(await statuses([first, second, third], s)).toEqual([401, 401, 200]);
    const fourth = await rotated(third);
    expect(await statuses([first, second, third, fourth], s)).toEqual([401, 401, 200, 200]);
  });

  it("the earlier secret is guarded as the current one is: 10 guesses a minute", async () => {
    const victim = await rotated(await s.createService());
    const peer = newPeer();
    const guesses = [];
    for (let n = 0; n < 11; n++) guesses.push((await byBasic(wrong(victim), GRANT, peer)).status);
    expect(guesses).toEqual([...Array(10).fill(401), 429]);
  });

  it("a disabled client has no use of either", async () => {
    const before = await s.createService();
    const now = await rotated(before);
    await s.setClientStatus(now, "disabled");
    expect(await statuses([before, now], s)).toEqual([401, 401]);
  });

  it("62: neither secret is listed, stored, logged or told in the audit trail", async () => {
    const before = await s.createService();
    const now = await rotated(before);
    const one = await s.c.call(`/clients/one?client_id=${now.clientId}`, { headers: s.operator });
    const texts = [await one.text(), await dumpOf(s.t.ctx), s.t.lines.join("\n")];
    const holds = (secret = "") => texts.map((text) => text.includes(secret));
    expect([holds(before.secret), holds(now.secret)]).toEqual(Array(2).fill([false, false, false]));
  });
});

describe("63: guessing secrets", () => {
  it("the 11th failure within a minute is 429 on every instance; the client is not locked out elsewhere", async () => {
    const victim = await s.createService();
    const [attacker, home] = ["203.0.113.1", "203.0.113.2"];
    const statuses = [];
    for (let guess = 0; guess < 10; guess++)
      statuses.push((await byBasic(wrong(victim), GRANT, attacker, guess % 2 ? s : other)).status);
    const here = await byBasic(wrong(victim), GRANT, attacker);
    const there = await byBasic(victim, GRANT, attacker, other);
    expect(statuses).toEqual(new Array(10).fill(401));
    expect([await refusalOf(here), await refusalOf(there)]).toEqual([
      { status: 429, error: "too_many_requests" },
      { status: 429, error: "too_many_requests" },
    ]);
    expect(here.headers.get("retry-after")).toMatch(/^([1-9]|[1-5]\d|60)$/);
    expect((await byBasic(victim, GRANT, home)).status).toBe(200);
  });

  it("the operator's key is guarded in the same way", async () => {
    const peer = "203.0.113.3";
    const guess = (key: string, on = s) => on.c.call("/clients", { headers: { "x-admin-key": key }, peer });
    const statuses = [];
    for (let n = 0; n < 12; n++) statuses.push((await guess(unique("guess-"), n % 2 ? s : other)).status);
    const right = s.operator["x-admin-key"];
    expect(statuses).toEqual([...new Array(10).fill(401), 429, 429]);
    // Guessers behind the same proxy do not shut the operator out.
    expect([(await guess(right)).status, (await guess(right, other)).status]).toEqual([200, 200]);
  });
});
