import { decisionPurpose } from "@/lib/http/decision";
import { DEVICE_ENTRY_PURPOSE } from "@/lib/http/device-entry";
import { GRANT_TYPES } from "@/lib/oauth/token-types";
import { type App, basic, type Connection, newBrowser, type Person } from "./client";

type Fields = Record<string, string | readonly string[] | undefined>;

/** What a device is told (RFC 8628 §3.2). */
export type Codes = {
  device_code: string;
  user_code: string;
  verification_uri: string;
  verification_uri_complete: string;
  expires_in: number;
  interval: number;
};

type Answer = {
  scope?: readonly string[];
  detail?: readonly string[];
  decision?: "allow" | "deny";
  keep?: "long";
  browser?: string;
};

/** Devices that ask at a server, and the people who type their codes. */
export function devices(c: Connection, origin = "http://localhost:8000") {
  const registration = (metadata: Record<string, unknown> = {}) => ({
    client_name: "Terminal",
    redirect_uris: undefined,
    grant_types: [GRANT_TYPES.deviceCode],
    ...metadata,
  });

  /** An app of devices, without a secret. */
  const register = (metadata: Record<string, unknown> = {}): Promise<App> =>
    c.registerPublic(registration(metadata));

  /** As the app sends it: with its secret, or by its name alone. */
  const send = (path: string, app: App, fields: Fields = {}, headers: Record<string, string> = {}) =>
    app.secret
      ? c.form(path, fields, { ...basic(app), ...headers })
      : c.form(path, { client_id: app.clientId, ...fields }, headers);

  async function codes(app: App, fields: Fields = {}, headers: Record<string, string> = {}): Promise<Codes> {
    const response = await send("/device/authorize", app, fields, headers);
    if (response.status !== 200) throw new Error(`no codes: ${await response.text()}`);
    return response.json();
  }

  const poll = (
    app: App,
    { device_code }: Codes,
    fields: Fields = {},
    headers: Record<string, string> = {},
  ) => send("/token", app, { grant_type: GRANT_TYPES.deviceCode, device_code, ...fields }, headers);

  /** A person types a code on the page; the answer leads on. */
  const enter = (person: Person, typed: string, browser = newBrowser()) =>
    c.post("/device/verify", DEVICE_ENTRY_PURPOSE, { user_code: typed }, { person, browser });

  /** The id of the question that a code leads its person to. */
  async function questionOf(person: Person, { user_code }: Codes): Promise<string> {
    const response = await enter(person, user_code);
    const id = /^\/approve\/([\w-]+)$/.exec(response.headers.get("location") ?? "")?.[1];
    if (!id) throw new Error(`no question: ${response.status} ${response.headers.get("location")}`);
    return id;
  }

  /** The answer on the page of the question. */
  const decide = (
    person: Person,
    id: string,
    { decision = "allow", browser = newBrowser(), ...rest }: Answer,
  ) => c.post(`/approve/${id}/decision`, decisionPurpose(id), { decision, ...rest }, { person, browser });

  /** A person types the code and allows these scopes. */
  async function allow(person: Person, given: Codes, scope: readonly string[], answer: Answer = {}) {
    return decide(person, await questionOf(person, given), { scope, ...answer });
  }

  /** A person's answer as JSON, from the server's own origin. */
  const asJson = (person: Person, path: string, body: unknown, headers: Record<string, string> = {}) =>
    c.json(path, body, { ...c.cookies({ person }), origin, ...headers });

  return { registration, register, send, codes, poll, enter, questionOf, decide, allow, asJson };
}
