import { and, eq } from "drizzle-orm";
import { beforeAll, describe, expect, it } from "vitest";
import { events } from "@/db/schema/events";
import { passkeyCheck } from "@/lib/http/passkeys";
import { verifyProofOffline } from "@/lib/oauth/signed-decision";
import { listPasskeys } from "@/lib/services/passkeys";
import { type Authenticator, softwareAuthenticator } from "@/test/support/authenticator";
import { newBrowser, refusalOf } from "@/test/support/client";
import { CROSS_SITE } from "@/test/support/cross-site";
import { unchanged } from "@/test/support/digest";
import { passkeysOf, type Visitor } from "@/test/support/passkeys";
import { type PublicServer, publicServer } from "@/test/support/public-server";

const ORIGIN = "https://auth.example.com";
const FORBIDDEN = { status: 403, error: "forbidden" };
const REFUSED = { status: 400, error: "invalid_request" };
const CONFLICT = { status: 409, error: "conflict" };

let s: PublicServer;
let p: ReturnType<typeof passkeysOf>;
/** Has one passkey. */
let ada: Visitor;
let hers: Authenticator;

beforeAll(async () => {
  s = await publicServer();
  p = passkeysOf(s.t, s.c);
  ada = await p.visit();
  hers = await p.enrol(ada, { step: 0 });
});

/** The refusal of a request that changes nothing. */
const refused = async (send: () => Promise<Response>) => refusalOf(await unchanged(s.t, send));
const kept = async ({ person }: Visitor) =>
  (await listPasskeys(s.t.ctx, person.user.id)).map(({ credentialId }) => credentialId);
const newDevice = () => softwareAuthenticator({ origin: ORIGIN, step: 0 });

describe("161: another person's passkey", () => {
  it("is not there to be tried, and signs nothing for them", async () => {
    const eve = await p.visit();
    const theirs = await p.enrol(eve, { step: 0 });
    expect(await refused(() => p.askToTry(eve, hers.id))).toEqual({ status: 404, error: "not_found" });
    const options = await p.requestOptions(eve, theirs);
    for (const signed of [hers.get(options), hers.get(options, { id: theirs.id })])
      expect(await refused(() => p.sendSignature(eve, signed))).toEqual(REFUSED);
    // What Ada was asked to sign, signed by Ada, brought by Eve.
    const stolen = hers.get(await p.requestOptions(ada, hers));
    expect(await refused(() => p.sendSignature(eve, stolen))).toEqual(REFUSED);
  });

  it("is not theirs to remove, and looks like one that never was", async () => {
    const eve = await p.visit();
    for (const id of [hers.id, "bmV2ZXItd2Fz"]) {
      const response = await unchanged(s.t, () => p.remove(eve, id));
      expect(response.headers.get("location")).toBe("/me?done=passkey-gone");
    }
    expect(await kept(ada)).toEqual([hers.id]);
  });
});

describe("157: a post of another site", () => {
  it.each(CROSS_SITE)(
    "%s begins nothing, adds nothing, tries nothing and removes nothing",
    async (_, headers) => {
      const cookies = s.c.cookies(ada);
      const credential = newDevice().create(await p.creationOptions(ada));
      const signed = hers.get(await p.requestOptions(ada, hers));
      const attempts = [
        () => s.c.json("/me/passkeys/options", {}, { ...cookies, ...headers }),
        () => s.c.json("/me/passkeys", { name: "Eve's", credential }, { ...cookies, ...headers }),
        () => s.c.json("/me/passkeys/check", { credential: signed }, { ...cookies, ...headers }),
      ];
      for (const attempt of attempts) expect(await refused(attempt)).toEqual(FORBIDDEN);
      const csrf = s.c.csrf("account", ada);
      const removal = () => s.c.form(`/me/passkeys/${hers.id}/remove`, { csrf }, { ...cookies, ...headers });
      expect((await unchanged(s.t, removal)).status).toBe(403);
    },
  );

  it("JSON as text/plain is refused even from our own origin", async () => {
    const headers = { "content-type": "text/plain" };
    const refusal = { status: 415, error: "unsupported_media_type" };
    expect(await refused(() => p.post("/options", {}, ada, headers))).toEqual(refusal);
  });

  it("158: removing needs the token of this page, person and session", async () => {
    const eve = await p.visit();
    for (const csrf of ["", s.c.csrf("sign in", ada), s.c.csrf("account", eve)]) {
      const headers = { ...s.c.cookies(ada), origin: ORIGIN };
      const removal = () => s.c.form(`/me/passkeys/${hers.id}/remove`, { csrf }, headers);
      expect((await unchanged(s.t, removal)).status).toBe(403);
    }
  });
});

describe("a challenge", () => {
  it("of another session or another browser of the same person is refused", async () => {
    const elsewhere = {
      person: { ...ada.person, session: await s.c.signInAgain(ada.person.user) },
      browser: ada.browser,
    };
    for (const other of [elsewhere, { ...ada, browser: newBrowser() }]) {
      const credential = newDevice().create(await p.creationOptions(ada));
      expect(await refused(() => p.add(other, credential))).toEqual(REFUSED);
      const signed = hers.get(await p.requestOptions(ada, hers));
      expect(await refused(() => p.sendSignature(other, signed))).toEqual(REFUSED);
    }
  });

  it("to add with is none to sign with, and the other way round", async () => {
    const { challenge } = await p.creationOptions(ada);
    const signed = hers.get(await p.requestOptions(ada, hers), { challenge });
    expect(await refused(() => p.sendSignature(ada, signed))).toEqual(REFUSED);
    const options = {
      ...(await p.creationOptions(ada)),
      challenge: (await p.requestOptions(ada, hers)).challenge,
    };
    expect(await refused(() => p.add(ada, newDevice().create(options)))).toEqual(REFUSED);
  });

  it("of what the page showed before is not given out, and not taken", async () => {
    const digest = Buffer.alloc(32, 7).toString("base64url");
    expect(await refused(() => p.post("/check/options", { id: hers.id, digest }, ada))).toEqual(CONFLICT);
  });

  it("counts once, of ten signatures sent at once", async () => {
    const signed = hers.get(await p.requestOptions(ada, hers));
    const answers = await Promise.all(Array.from({ length: 10 }, () => p.sendSignature(ada, signed)));
    const statuses = answers.map(({ status }) => status).sort();
    expect(statuses).toEqual([200, ...Array(9).fill(409)]);
  });

  it("ends after five minutes", async () => {
    const later = await publicServer();
    const page = passkeysOf(later.t, later.c);
    const eve = await page.visit();
    const passkey = await page.enrol(eve);
    const [creation, request] = [await page.creationOptions(eve), await page.requestOptions(eve, passkey)];
    later.t.advance(300);
    expect((await page.sendSignature(eve, passkey.get(request))).status).toBe(200);
    const another = await page.requestOptions(eve, passkey);
    later.t.advance(301);
    const again = { ...eve, person: { ...eve.person, session: await later.c.signInAgain(eve.person.user) } };
    const signature = await unchanged(later.t, () => page.sendSignature(eve, passkey.get(another)));
    const added = await unchanged(later.t, () => page.add(again, newDevice().create(creation)));
    expect([await refusalOf(signature), await refusalOf(added)]).toEqual([REFUSED, REFUSED]);
  });
});

describe("166: a sign-in of more than five minutes ago", () => {
  it("adds and removes nothing, also where the page was opened in time, and still signs", async () => {
    const old = await publicServer();
    const page = passkeysOf(old.t, old.c);
    const eve = await page.visit();
    const passkey = await page.enrol(eve);
    old.t.advance(300);
    const credential = newDevice().create(await page.creationOptions(eve));
    old.t.advance(1);
    const begun = await unchanged(old.t, () => page.post("/options", {}, eve));
    const added = await unchanged(old.t, () => page.add(eve, credential));
    expect([await refusalOf(begun), await refusalOf(added)]).toEqual([FORBIDDEN, FORBIDDEN]);
    const removed = await unchanged(old.t, () => page.remove(eve, passkey.id));
    expect(removed.headers.get("location")).toBe("/me?done=sign-in-again");
    expect((await page.tryIt(eve, passkey)).status).toBe(200);
  });
});

describe("a passkey that was removed", () => {
  it("signs nothing any more, also what it was asked to sign before", async () => {
    const eve = await p.visit();
    const passkey = await p.enrol(eve);
    const signed = passkey.get(await p.requestOptions(eve, passkey));
    const removed = await p.remove(eve, passkey.id);
    expect(removed.headers.get("location")).toBe("/me?done=passkey-removed");
    expect(await refused(() => p.sendSignature(eve, signed))).toEqual(REFUSED);
    expect(await refused(() => p.askToTry(eve, passkey.id))).toEqual({ status: 404, error: "not_found" });
  });
});

describe("limits", () => {
  it("a person has twenty passkeys at most, also when several are added at once", async () => {
    const eve = await p.visit();
    for (let count = 0; count < 18; count += 1) await p.enrol(eve);
    const waiting = [];
    for (let count = 0; count < 4; count += 1) waiting.push(newDevice().create(await p.creationOptions(eve)));
    const answers = await Promise.all(waiting.map((credential) => p.add(eve, credential)));
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 201, 409, 409]);
    expect(await kept(eve)).toHaveLength(20);
    expect(await refused(() => p.post("/options", {}, eve))).toEqual(CONFLICT);
  });

  it.each([
    ["no name", ""],
    ["spaces alone", "   "],
    ["an override of direction", "evil\u202egpj.exe"],
    ["a line break", "a\nb"],
    ["61 characters", "x".repeat(61)],
  ])("%s is no name for one", async (_, name) => {
    const credential = newDevice().create(await p.creationOptions(ada));
    const response = await unchanged(s.t, () => p.add(ada, credential, name));
    expect(await refusalOf(response)).toEqual({ status: 422, error: "validation_failed" });
  });
});

describe("whom a passkey is for", () => {
  it("is the issuer, whatever Host and forwarded headers say", async () => {
    const headers = {
      host: "evil.example",
      "x-forwarded-host": "evil.example",
      forwarded: "host=evil.example",
    };
    const response = await p.post("/options", {}, ada, headers);
    expect((await response.json()).rp).toEqual({
      id: "auth.example.com",
      name: "Authgent at auth.example.com",
    });
  });

  it.each(["http://127.0.0.1:8000", "http://[::1]:8000"])("is nobody where the issuer is %s", async (url) => {
    const addressed = await publicServer({ env: { AUTHGENT_SERVER_URL: url, AUTHGENT_HOST: "127.0.0.1" } });
    const page = passkeysOf(addressed.t, addressed.c);
    const eve = await page.visit();
    const response = await unchanged(addressed.t, () => page.post("/options", {}, eve));
    expect(await refusalOf(response)).toEqual(CONFLICT);
  });
});

describe("the audit trail", () => {
  const rowsOf = ({ person }: Visitor, type: string) =>
    s.t.ctx.db
      .select()
      .from(events)
      .where(and(eq(events.actor, `user:${person.user.id}`), eq(events.type, type)));

  it("says whose key a proof was made with, also after the passkey is gone", async () => {
    const eve = await p.visit();
    const passkey = await p.enrol(eve);
    const proof = await p.proofOf(eve, passkey);
    await p.remove(eve, passkey.id);

    const [added] = await rowsOf(eve, "passkey.added");
    const thumbprint = String(added?.data.thumbprint);
    expect([added?.subject, thumbprint]).toEqual([`passkey:${passkey.id}`, passkey.trusted().thumbprint]);
    const decision = { issuer: ORIGIN, user: `user:${eve.person.user.id}`, ...passkeyCheck(passkey.id) };
    const check = verifyProofOffline(proof, decision, { credentialId: passkey.id, thumbprint });
    expect(check).toMatchObject({
      ok: true,
      askedAt: new Date(Math.floor(s.t.ctx.now().getTime() / 1000) * 1000),
    });
    expect((await rowsOf(eve, "passkey.removed")).map(({ subject }) => subject)).toEqual([added?.subject]);
  });

  it("D26: has a row for a signature that was refused, with the reason", async () => {
    const eve = await p.visit();
    const passkey = await p.enrol(eve);
    await p.tryIt(eve, passkey, { signCount: 9 });
    await p.tryIt(eve, passkey, { signCount: 9 });
    const [denied] = await rowsOf(eve, "request.denied");
    expect(denied?.data).toMatchObject({ route: "/me/passkeys/check", error: "invalid_request" });
    expect(denied?.data.reason).toContain("did not go on");
  });
});
