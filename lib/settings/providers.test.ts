import { describe, expect, it } from "vitest";
import { readProviders } from "./providers";

const provider = (prefix: string, issuer: string, more: Record<string, string> = {}) => ({
  [`${prefix}_ISSUER`]: issuer,
  [`${prefix}_CLIENT_ID`]: "authgent",
  [`${prefix}_CLIENT_SECRET`]: "s3cr3t",
  ...more,
});

const read = (env: Record<string, string>) => readProviders(env).providers;
const problemsOf = (env: Record<string, string>) => readProviders(env).problems;

describe("sign-in providers", () => {
  it("are none by default", () => {
    expect(readProviders({})).toEqual({ providers: [], problems: [], warnings: [] });
  });

  it.each(["UPSTREAM", "AUTHGENT_IDP", "AUTHGENT_IDP_UPSTREAM"])("%s_* is the single one", (prefix) => {
    expect(readProviders(provider(prefix, "https://login.example.com"))).toEqual({
      providers: [
        {
          name: "upstream",
          label: "login.example.com",
          issuer: "https://login.example.com",
          clientId: "authgent",
          clientSecret: "s3cr3t",
          scopes: ["openid", "profile", "email"],
          allowedDomains: [],
          roleMapping: [],
        },
      ],
      problems: [],
      warnings: [],
    });
  });

  it("are several, each under its name", () => {
    const env = {
      ...provider("AUTHGENT_IDP_OKTA", "https://acme.okta.com", {
        AUTHGENT_IDP_OKTA_SCOPES: "openid email groups",
        AUTHGENT_IDP_OKTA_ROLE_CLAIM: "groups",
        AUTHGENT_IDP_OKTA_ROLE_MAPPING: '["Platform team=admin","on-call=approver"]',
      }),
      ...provider("AUTHGENT_IDP_EU_STAFF", "https://login.example.eu", {
        AUTHGENT_IDP_EU_STAFF_DISPLAY_NAME: "EU staff",
        AUTHGENT_IDP_EU_STAFF_ALLOWED_DOMAINS: "@Example.eu, sub.example.eu",
      }),
    };
    expect(read(env)).toMatchObject([
      {
        name: "okta",
        label: "Okta",
        scopes: ["openid", "email", "groups"],
        roleClaim: "groups",
        roleMapping: [
          { value: "Platform team", role: "admin" },
          { value: "on-call", role: "approver" },
        ],
      },
      { name: "eu-staff", label: "EU staff", allowedDomains: ["example.eu", "sub.example.eu"] },
    ]);
  });

  it.each([
    ["https://acme.okta.com", "Okta"],
    ["https://login.microsoftonline.com/0e1f2a3b-0000-4000-8000-000000000000/v2.0", "Microsoft Entra ID"],
    ["https://okta.com.example.org", "okta.com.example.org"],
    ["http://localhost:9100", "localhost:9100"],
  ])("%s is labelled %s", (issuer, label) => {
    expect(read(provider("UPSTREAM", issuer)).map((found) => found.label)).toEqual([label]);
  });

  it("keep the issuer exactly as it is spelled", () => {
    const [found] = read(provider("UPSTREAM", "https://acme.auth0.example/"));
    expect(found?.issuer).toBe("https://acme.auth0.example/");
  });

  it("warn of a callback path, which is fixed", () => {
    const env = provider("AUTHGENT_IDP", "https://login.example.com", {
      AUTHGENT_IDP_CALLBACK_PATH: "/callback",
    });
    expect(readProviders(env).warnings).toEqual([
      "AUTHGENT_IDP_CALLBACK_PATH has no effect: the callback is /api/auth/callback/upstream.",
    ]);
  });
});

describe("refused providers", () => {
  it("lack a part", () => {
    expect(problemsOf({ AUTHGENT_IDP_OKTA_ISSUER: "https://acme.okta.com" })).toEqual([
      "AUTHGENT_IDP_OKTA_CLIENT_ID is missing: AUTHGENT_IDP_OKTA_ISSUER describes a sign-in provider.",
      "AUTHGENT_IDP_OKTA_CLIENT_SECRET is missing: AUTHGENT_IDP_OKTA_ISSUER describes a sign-in provider.",
    ]);
  });

  it("have a part twice", () => {
    const env = provider("UPSTREAM", "https://a.example", { AUTHGENT_IDP_ISSUER: "https://b.example" });
    expect(problemsOf(env)).toEqual([
      "UPSTREAM_ISSUER and AUTHGENT_IDP_ISSUER are two names of one setting and have different values: keep one of them.",
    ]);
  });

  it.each([
    ["ISSUER", "http://login.example.com", "must begin with https:// (http:// is for localhost only)."],
    ["SCOPES", "profile email", "must include openid."],
    ["ALLOWED_DOMAINS", "*", "must list domains such as example.com."],
    ["ROLE_MAPPING", "staff=root", "must list pairs such as platform-team=admin."],
  ])("have an invalid %s", (field, value, sentence) => {
    const env = { ...provider("UPSTREAM", "https://login.example.com"), [`UPSTREAM_${field}`]: value };
    expect(problemsOf(env)).toEqual([`UPSTREAM_${field} ${sentence}`]);
  });

  it("have half of a role mapping", () => {
    const env = provider("UPSTREAM", "https://login.example.com", { UPSTREAM_ROLE_CLAIM: "groups" });
    expect(problemsOf(env)).toEqual([
      "UPSTREAM_ROLE_CLAIM and UPSTREAM_ROLE_MAPPING need each other: set both, or neither.",
    ]);
  });

  it.each(["common", "organizations", "consumers"])("name every Microsoft tenant by %s", (tenant) => {
    const env = provider("AUTHGENT_IDP_ENTRA", `https://login.microsoftonline.com/${tenant}/v2.0`, {
      AUTHGENT_IDP_ENTRA_ALLOWED_DOMAINS: "example.com",
    });
    expect(problemsOf(env)).toEqual([
      "AUTHGENT_IDP_ENTRA_ISSUER names every Microsoft tenant at once: use the issuer of your own, https://login.microsoftonline.com/<tenant id>/v2.0, and one provider for each tenant.",
    ]);
  });

  it("would let everyone with a Google account in", () => {
    const google = provider("AUTHGENT_IDP_GOOGLE", "https://accounts.google.com");
    expect(problemsOf(google)).toEqual([
      "AUTHGENT_IDP_GOOGLE_ALLOWED_DOMAINS is required, because anyone can open an account at accounts.google.com: list the domains whose people may sign in.",
    ]);
    expect(read({ ...google, AUTHGENT_IDP_GOOGLE_ALLOWED_DOMAINS: "example.com" })).toMatchObject([
      { name: "google", label: "Google", allowedDomains: ["example.com"] },
    ]);
  });

  it("take the name of the local sign-in form", () => {
    expect(problemsOf(provider("AUTHGENT_IDP_CREDENTIALS", "https://login.example.com"))).toEqual([
      'AUTHGENT_IDP_CREDENTIALS_ISSUER cannot use the name "credentials": it is the local sign-in form\'s.',
    ]);
  });
});
