import { describe, expect, it } from "vitest";
import type { SignInProvider } from "@/lib/settings";
import { identityFrom } from "./provider-identity";

const provider = (given: Partial<SignInProvider>): SignInProvider => ({
  name: "upstream",
  label: "Upstream",
  issuer: "https://login.example.com",
  clientId: "authgent",
  clientSecret: "secret",
  scopes: ["openid", "profile", "email"],
  allowedDomains: [],
  roleClaim: undefined,
  roleMapping: [],
  ...given,
});

describe("Okta: the thin ID token with its UserInfo response", () => {
  const okta = provider({ issuer: "https://example.okta.com" });
  const ada = {
    sub: "00uid4BxXw6I6TV4m0g3",
    name: "Ada Lovelace",
    email: "ada@example.com",
    ver: 1,
    iss: "https://example.okta.com",
    aud: "authgent",
    amr: ["pwd", "mfa"],
    idp: "00ok1u7AsAkrwdZL3z0g3",
    preferred_username: "ada@example.com",
    email_verified: true,
    groups: ["Everyone", "platform-team"],
  };

  it("signs in a person of the organization", () => {
    expect(identityFrom(okta, ada)).toEqual({
      issuer: "https://example.okta.com",
      sub: "00uid4BxXw6I6TV4m0g3",
      email: "ada@example.com",
      name: "Ada Lovelace",
    });
  });

  it("refuses an e-mail address that is said not to be verified, also where no domain is asked for", () => {
    expect(identityFrom(okta, { ...ada, email_verified: false })).toEqual({ refused: "email_unverified" });
  });

  it("refuses an address of no stated verification where the domain decides", () => {
    const { email_verified: _, ...thin } = ada;
    expect(identityFrom({ ...okta, allowedDomains: ["example.com"] }, thin)).toEqual({
      refused: "email_unverified",
    });
  });

  it("gives the most powerful role that the groups are mapped to", () => {
    const mapped = provider({
      roleClaim: "groups",
      roleMapping: [
        { value: "Everyone", role: "approver" },
        { value: "platform-team", role: "admin" },
      ],
    });
    expect(identityFrom(mapped, ada)).toMatchObject({ role: "admin" });
    expect(identityFrom(mapped, { ...ada, groups: "Everyone" })).toMatchObject({ role: "approver" });
  });

  it("takes a role back when the groups no longer give it", () => {
    const mapped = provider({
      roleClaim: "groups",
      roleMapping: [{ value: "platform-team", role: "admin" }],
    });
    expect(identityFrom(mapped, { ...ada, groups: ["Everyone"] })).toMatchObject({ role: "member" });
    const { groups: _, ...without } = ada;
    expect(identityFrom(mapped, without)).toMatchObject({ role: "member" });
  });
});

describe("Entra ID: a token of one tenant", () => {
  const issuer = "https://login.microsoftonline.com/9122040d-6c67-4c5b-b112-36a304b66dad/v2.0";
  const entra = provider({ issuer });
  const ada = {
    ver: "2.0",
    iss: issuer,
    sub: "AAAAAAAAAAAAAAAAAAAAAIkzqFVrSaSaFHy782bbtaQ",
    name: "Ada Lovelace",
    preferred_username: "ada@example.onmicrosoft.com",
    oid: "00000000-0000-0000-66f3-3332eca7ea81",
    tid: "9122040d-6c67-4c5b-b112-36a304b66dad",
  };

  it("signs in a person of the tenant who has no mailbox, by their sign-in name", () => {
    expect(identityFrom(entra, ada)).toEqual({
      issuer,
      sub: "AAAAAAAAAAAAAAAAAAAAAIkzqFVrSaSaFHy782bbtaQ",
      email: "ada@example.onmicrosoft.com",
      name: "Ada Lovelace",
    });
  });

  it("does not take the sign-in name for a domain that decides", () => {
    const strict = provider({ issuer, allowedDomains: ["example.onmicrosoft.com"] });
    expect(identityFrom(strict, ada)).toEqual({ refused: "email_missing" });
  });

  it.each([true, "1", 1, "true"])("takes xms_edov %j as verified", (xms_edov) => {
    const strict = provider({ issuer, allowedDomains: ["example.com"] });
    expect(identityFrom(strict, { ...ada, email: "ada@example.com", xms_edov })).toMatchObject({
      email: "ada@example.com",
    });
  });

  it.each([false, "0", 0, undefined])("takes xms_edov %j as not verified", (xms_edov) => {
    const strict = provider({ issuer, allowedDomains: ["example.com"] });
    expect(identityFrom(strict, { ...ada, email: "ada@example.com", xms_edov })).toEqual({
      refused: "email_unverified",
    });
  });

  it("believes xms_edov of Entra ID only", () => {
    const other = provider({ allowedDomains: ["example.com"] });
    expect(identityFrom(other, { ...ada, email: "ada@example.com", xms_edov: true })).toEqual({
      refused: "email_unverified",
    });
  });
});

describe("Google: an ID token with hd", () => {
  const google = provider({ issuer: "https://accounts.google.com", allowedDomains: ["example.com"] });
  const ada = {
    iss: "https://accounts.google.com",
    sub: "10769150350006150715113082367",
    azp: "1234987819200.apps.googleusercontent.com",
    email: "ada@example.com",
    email_verified: true,
    hd: "example.com",
    name: "Ada Lovelace",
  };

  it("signs in a person of the Workspace", () => {
    expect(identityFrom(google, ada)).toEqual({
      issuer: "https://accounts.google.com",
      sub: "10769150350006150715113082367",
      email: "ada@example.com",
      name: "Ada Lovelace",
    });
  });

  it("refuses a private account that carries the company's address", () => {
    const { hd: _, ...personal } = ada;
    expect(identityFrom(google, personal)).toEqual({ refused: "domain_not_allowed" });
  });

  it.each(["mallory@evil.example", "ada@notexample.com", "ada@example.com.evil.example"])(
    "refuses %s",
    (email) => {
      expect(identityFrom(google, { ...ada, email })).toEqual({ refused: "domain_not_allowed" });
    },
  );

  it("compares domains without case", () => {
    expect(identityFrom(google, { ...ada, email: "Ada@EXAMPLE.com", hd: "Example.com" })).toMatchObject({
      email: "Ada@EXAMPLE.com",
    });
  });
});

describe("claims of no use", () => {
  it.each([{}, { sub: "" }, { sub: 7 }])("refuses a token without a subject: %j", (claims) => {
    expect(identityFrom(provider({}), { email: "ada@example.com", ...claims })).toEqual({
      refused: "subject_missing",
    });
  });

  it.each([undefined, "", "ada", "ada@", "a b@example.com", `${"a".repeat(250)}@example.com`])(
    "refuses the e-mail address %j",
    (email) => {
      expect(identityFrom(provider({}), { sub: "1", email })).toEqual({ refused: "email_missing" });
    },
  );

  it("uses the address where the name would not read as it is stored", () => {
    const claims = { sub: "1", email: "ada@example.com", name: "Ada \u202emoc.elpmaxe" };
    expect(identityFrom(provider({}), claims)).toMatchObject({ name: "ada@example.com" });
  });
});
