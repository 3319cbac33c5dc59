import { exchange } from "./delegation.mjs";
import { say, title } from "./narrate.mjs";
import { Hint } from "./options.mjs";
import { toldPost } from "./server.mjs";

/** Search wants more than it was given: it is told in advance that it will not get it, and does not get it. */
export async function showEscalation({ search, database, chain }) {
  const [, { token }] = chain;
  const asked = { audience: database.clientId, scope: "notes:read notes:write" };

  title("Search asks in advance whether it could hand on notes:write as well (POST /token/check)");
  const check = await toldPost("/token/check", {
    as: search,
    json: { subject_token: token, client_id: search.clientId, ...asked },
  });
  say(`allowed: ${check.body.allowed}`, check.body.reasons);

  title("It tries all the same, and is refused (RFC 8693 §2.2.2)");
  const { status, body } = await exchange(search, token, asked, toldPost);
  if (status === 200)
    throw new Hint("The server gave search more than it had. That is a bug: please report it.");
  say(`${body.error}, ${body.error_code}: ${body.error_description}`);
}
