import { passkeyCheck } from "@/lib/http/passkeys";
import type { DecisionProof } from "@/lib/oauth/signed-decision";
import { findSession, type SignedIn } from "@/lib/services/sessions";
import { digestShown, type Question } from "@/lib/services/signed-decisions";
import {
  type Authenticator,
  type CreationOptions,
  type Misbehaviour,
  type RequestOptions,
  softwareAuthenticator,
} from "./authenticator";
import { type Connection, newBrowser, type Person } from "./client";
import type { TestContext } from "./context";

/** Somebody who has just signed in, in one browser. */
export type Visitor = { person: Person; browser: string };

/** What people do with passkeys on their page, as its script does it. */
export function passkeysOf(t: TestContext, c: Connection) {
  const { origin } = new URL(t.ctx.settings.serverUrl);

  const visit = async (): Promise<Visitor> => ({ person: await c.signIn(), browser: newBrowser() });

  /** A JSON call of the page. */
  const post = (path: string, body: unknown, from: Visitor, headers: Record<string, string> = {}) =>
    c.json(`/me/passkeys${path}`, body, { ...c.cookies(from), origin, ...headers });

  const creationOptions = async (from: Visitor): Promise<CreationOptions> =>
    answered(await post("/options", {}, from));

  const add = (from: Visitor, credential: unknown, name = "My key") => post("", { name, credential }, from);

  /** A passkey of a person, added as they do it. */
  async function enrol(from: Visitor, options: Partial<Parameters<typeof softwareAuthenticator>[0]> = {}) {
    const authenticator = softwareAuthenticator({ origin, ...options });
    await answered(await add(from, authenticator.create(await creationOptions(from))), 201);
    return authenticator;
  }

  const signedIn = async ({ person }: Visitor): Promise<SignedIn> => {
    const by = await findSession(t.ctx, person.session);
    if (!by) throw new Error("the session has ended");
    return by;
  };

  /** The digest of the sentence that the page shows beside a passkey. */
  const checkDigest = async (from: Visitor, question: Question) =>
    digestShown(t.ctx, { by: await signedIn(from) }, question);

  const askToTry = async (from: Visitor, id: string) =>
    post("/check/options", { id, digest: await checkDigest(from, passkeyCheck(id)) }, from);

  const requestOptions = async (from: Visitor, { id }: Pick<Authenticator, "id">): Promise<RequestOptions> =>
    answered(await askToTry(from, id));

  const sendSignature = (from: Visitor, credential: unknown) => post("/check", { credential }, from);

  /** "Try it", with an authenticator that may misbehave. */
  const tryIt = async (from: Visitor, authenticator: Authenticator, bad: Misbehaviour = {}) =>
    sendSignature(from, authenticator.get(await requestOptions(from, authenticator), bad));

  /** The proof that trying a passkey leaves. */
  const proofOf = async (from: Visitor, authenticator: Authenticator): Promise<DecisionProof> => {
    const { proof } = await answered<{ proof: DecisionProof }>(await tryIt(from, authenticator));
    return proof;
  };

  const remove = (from: Visitor, id: string) => c.post(`/me/passkeys/${id}/remove`, "account", {}, from);

  return {
    ...{ origin, visit, post, creationOptions, add, enrol, signedIn, askToTry, requestOptions },
    ...{ sendSignature, tryIt, proofOf, remove },
  };
}

/** The body of an answer; any other status is the end of the test. */
async function answered<Body>(response: Response, status = 200): Promise<Body> {
  if (response.status !== status) throw new Error(`${response.status}: ${await response.text()}`);
  return response.json();
}
