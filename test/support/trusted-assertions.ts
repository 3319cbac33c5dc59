import { GRANT_TYPES } from "@/lib/oauth/token-types";
import type { App } from "./client";
import { unique } from "./context";
import { foreignIssuer } from "./foreign-issuer";
import type { PublicServer } from "./public-server";

type Json = Record<string, unknown>;
type Fields = Record<string, string | readonly string[] | undefined>;

export type Partner = Awaited<ReturnType<typeof partner>>;

/** An issuer that the operator of a server trusts; its people come in unless told otherwise. */
export async function partner(s: PublicServer, purposes: readonly string[], terms: Json = {}) {
  const idp = await foreignIssuer();
  const people = { create: true, allowed_domains: [] };
  const body = { issuer: idp.issuer, name: "Partner", purposes, people, ...terms };
  const response = await s.c.json("/trusted-issuers", body, s.operator);
  if (response.status !== 201) throw new Error(`not trusted: ${await response.text()}`);
  const { id } = await response.json();

  /** The claims of an assertion that this server takes, good for one use within five minutes. */
  function claims(more: Json = {}): Json {
    const iat = Math.floor(s.t.ctx.now().getTime() / 1000);
    const own = { sub: "alice", aud: s.t.ctx.settings.serverUrl, jti: unique("jti-"), iat, exp: iat + 300 };
    return { ...own, ...more };
  }

  return {
    ...{ issuer: idp.issuer, state: idp.state, close: idp.close, claims },
    /** An assertion with these claims over the usual ones; undefined leaves one out. */
    assertion: (more: Json = {}, header: Json = {}): Promise<string> => idp.sign(claims(more), header),
    /** Signs exactly these claims, with `iss` where they have none. */
    sign: idp.sign,
    change: (terms: Json) => s.c.json(`/trusted-issuers/${id}`, terms, s.operator, "PATCH"),
  };
}

/** A client of the operator's that redeems assertions. */
export const createRedeemer = (s: PublicServer, more: Json = {}): Promise<App> =>
  s.createService({ grant_types: [GRANT_TYPES.jwtBearer], ...more });

/** Redeems an assertion as an app, or as nobody. */
export const redeem = (s: PublicServer, app: App | undefined, assertion: string, fields: Fields = {}) => {
  const form = { grant_type: GRANT_TYPES.jwtBearer, assertion, ...fields };
  return app ? s.c.token(app, form) : s.c.form("/token", form);
};

/** A refusal in all that a program reads of it. */
export async function refusal(response: Response): Promise<Json> {
  const { error, error_code } = await response.json();
  return { status: response.status, error, ...(error_code ? { error_code } : {}) };
}
