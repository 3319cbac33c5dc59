import type { Context } from "@/lib/context";
import { enrolmentOptions, enrolPasskey } from "@/lib/services/passkey-enrolment";
import { type Passkey, removePasskey } from "@/lib/services/passkeys";
import { FRESH_SIGN_IN } from "@/lib/services/proof-of-presence";
import { isFresh } from "@/lib/services/sessions";
import { assertionOptions, type Question, verifyDecisionAssertion } from "@/lib/services/signed-decisions";
import type { Call } from "./call";
import { json, readJsonAs } from "./json";
import { onMe } from "./my-agents";
import { NewPasskey, PasskeyCheck, PasskeyCheckOptions, PasskeyOptions } from "./passkey-schemas";
import { browserOfCall, requireFresh, requirePerson } from "./session";

/** `POST /me/passkeys/options`: what the person's browser is to make a passkey with. */
export async function passkeyOptionsEndpoint(ctx: Context, call: Call): Promise<Response> {
  const by = await requirePerson(ctx, call);
  await readJsonAs(call.request, PasskeyOptions);
  requireFresh(ctx, by, FRESH_SIGN_IN);
  const { browser } = browserOfCall(ctx, call);
  return json(await enrolmentOptions(ctx, { by, browser }));
}

/** `POST /me/passkeys`: adds the passkey that it made. */
export async function addPasskeyEndpoint(ctx: Context, call: Call): Promise<Response> {
  const by = await requirePerson(ctx, call);
  const { name, credential } = await readJsonAs(call.request, NewPasskey);
  requireFresh(ctx, by, FRESH_SIGN_IN);
  const { clientDataJSON, attestationObject, transports } = credential.response;
  const { browser } = browserOfCall(ctx, call);
  const made = { id: credential.id, clientDataJson: clientDataJSON, attestationObject, transports };
  return json(present(await enrolPasskey(ctx, { by, browser }, { name, credential: made })), { status: 201 });
}

const present = ({ credentialId, name, backupEligible, createdAt, lastUsedAt }: Passkey) => ({
  id: credentialId,
  name,
  backup_eligible: backupEligible,
  created_at: createdAt.toISOString(),
  last_used_at: lastUsedAt?.toISOString() ?? null,
});

/** `POST /me/passkeys/{id}/remove`: forgets a passkey, from the page; works without JavaScript. */
export const removePasskeyEndpoint = onMe(async (ctx, { params }, { by }) => {
  // Whoever has got hold of an old session must not take away what asks for the person.
  if (!isFresh(ctx, by.session, FRESH_SIGN_IN)) return "sign-in-again";
  const removed = await removePasskey(ctx, { userId: by.user.id, credentialId: params.id ?? "" });
  return removed ? "passkey-removed" : "passkey-gone";
});

/** What `/me` shows beside a passkey that can be tried. */
export const CHECK_SENTENCE = "I am trying this passkey.";

/** What it signs then: the sentence, for this passkey, as an answer to nothing else. */
export const passkeyCheck = (credentialId: string): Question => ({
  approvalId: `passkey ${credentialId}`,
  decision: "try",
  shown: { sentence: CHECK_SENTENCE },
});

/** `POST /me/passkeys/check/options`: what a passkey of the person is to sign to try it. */
export async function passkeyCheckOptionsEndpoint(ctx: Context, call: Call): Promise<Response> {
  const by = await requirePerson(ctx, call);
  const { id, digest } = await readJsonAs(call.request, PasskeyCheckOptions);
  const { browser } = browserOfCall(ctx, call);
  const asked = { question: passkeyCheck(id), digest, credentialId: id };
  return json(await assertionOptions(ctx, { by, browser }, asked));
}

/** `POST /me/passkeys/check`: verifies what it signed, as an answer of high risk is, and returns the proof. */
export async function passkeyCheckEndpoint(ctx: Context, call: Call): Promise<Response> {
  const by = await requirePerson(ctx, call);
  const { credential: assertion } = await readJsonAs(call.request, PasskeyCheck);
  const { browser } = browserOfCall(ctx, call);
  const question = passkeyCheck(assertion.id);
  return json({ proof: await verifyDecisionAssertion(ctx, { by, browser }, { question, assertion }) });
}
