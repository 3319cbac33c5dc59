import { describe, expect, it } from "vitest";
import { loadSettings, SettingsError } from "@/lib/settings";

const SECRET = "a-secret-of-24-characters";
const HOOK = {
  AUTHGENT_WEBHOOK_URL: "https://hooks.example.com/authgent",
  AUTHGENT_WEBHOOK_HMAC_SECRET: SECRET,
};
const MAIL = { AUTHGENT_SMTP_URL: "smtp://mail.example.com", AUTHGENT_SMTP_FROM: "authgent@example.com" };

function problemsOf(env: Record<string, string>): readonly string[] {
  try {
    loadSettings(env);
  } catch (error) {
    if (error instanceof SettingsError) return error.problems;
    throw error;
  }
  return [];
}

const FORM = "must be smtp://USER:PASSWORD@HOST:PORT, or smtps:// with TLS from the first byte.";
const SENDER = "must be an e-mail address, or a name and one: Authgent <authgent@example.com>.";
const SECRETS = "must have at least 24 characters, and so must each of several separated by spaces.";
const SECONDS = "must be a whole number from 1 to 86400.";

describe("the settings of notifications", () => {
  it.each([
    ["WEBHOOK_URL", "http://hooks.example.com", "must begin with https:// (http:// is for localhost only)."],
    ["WEBHOOK_URL", "https://u:p@hooks.example.com", "must not carry a user name or a password."],
    ["WEBHOOK_HMAC_SECRET", "too-short", SECRETS],
    ["WEBHOOK_HMAC_SECRET", `${SECRET} too-short`, SECRETS],
    ["WEBHOOK_HMAC_SECRET", "whsec_this-is-not-base64-at-all!", "must be base64 after whsec_."],
    ["WEBHOOK_RETRIES", "21", "must be a whole number from 0 to 20."],
    ["WEBHOOK_BACKOFF", "1,5,soon", SECONDS],
    ["WEBHOOK_BACKOFF", "0", SECONDS],
    ["WEBHOOK_BACKOFF", "[]", "must be a list of seconds such as 1,5,30."],
    [
      "SLACK_WEBHOOK_URL",
      "http://hooks.slack.com/x",
      "must begin with https:// (http:// is for localhost only).",
    ],
    ["SMTP_URL", "mail.example.com:587", FORM],
    ["SMTP_URL", "https://mail.example.com", FORM],
    ["SMTP_URL", "smtp://", FORM],
    ["SMTP_URL", "smtps://mail.example.com?tls.rejectUnauthorized=false", FORM],
    ["SMTP_URL", "smtp://user@mail.example.com", "must have both a user and a password, or neither."],
    ["SMTP_URL", "smtp://user:%zz@mail.example.com", "must have its user and password percent-encoded."],
    ["SMTP_FROM", "Authgent", SENDER],
    ["SMTP_FROM", "Authgent <authgent@example.com>, eve@evil.example", SENDER],
    ["SMTP_FROM", "a@example.com\r\nBcc: eve@evil.example", SENDER],
    ["NOTIFICATION_RATE_LIMIT", "61", "must be a whole number from 1 to 60."],
  ])("AUTHGENT_%s=%s is refused", (name, value, problem) => {
    expect(problemsOf({ ...HOOK, ...MAIL, [`AUTHGENT_${name}`]: value })).toEqual([
      `AUTHGENT_${name} ${problem}`,
    ]);
  });

  it.each([
    [
      "a webhook without a secret",
      { AUTHGENT_WEBHOOK_URL: HOOK.AUTHGENT_WEBHOOK_URL },
      "AUTHGENT_WEBHOOK_URL and AUTHGENT_WEBHOOK_HMAC_SECRET",
    ],
    [
      "a secret without a webhook",
      { AUTHGENT_WEBHOOK_HMAC_SECRET: SECRET },
      "AUTHGENT_WEBHOOK_URL and AUTHGENT_WEBHOOK_HMAC_SECRET",
    ],
    [
      "a mail server without a sender",
      { AUTHGENT_SMTP_URL: MAIL.AUTHGENT_SMTP_URL },
      "AUTHGENT_SMTP_URL and AUTHGENT_SMTP_FROM",
    ],
    [
      "a sender without a mail server",
      { AUTHGENT_SMTP_FROM: MAIL.AUTHGENT_SMTP_FROM },
      "AUTHGENT_SMTP_URL and AUTHGENT_SMTP_FROM",
    ],
  ])("%s stops the start", (_, env, names) => {
    expect(problemsOf(env)).toEqual([`${names} need each other: set both, or neither.`]);
  });

  it.each([
    ["WEBHOOK_URL", "http://localhost:8900/hook"],
    ["WEBHOOK_HMAC_SECRET", `whsec_${"A".repeat(32)} ${SECRET}`],
    ["WEBHOOK_RETRIES", "0"],
    ["SMTP_URL", "smtps://user:p%40ss@mail.example.com:465"],
    ["SMTP_URL", "smtp://[::1]:1025"],
    ["SMTP_FROM", "Authgent für alle <authgent@example.com>"],
  ])("AUTHGENT_%s=%s is taken", (name, value) => {
    expect(problemsOf({ ...HOOK, ...MAIL, [`AUTHGENT_${name}`]: value })).toEqual([]);
  });

  it("AUTHGENT_WEBHOOK_BACKOFF is a list of numbers", () => {
    expect(loadSettings({ AUTHGENT_WEBHOOK_BACKOFF: "2, 4,60" }).settings.webhookBackoff).toEqual([2, 4, 60]);
  });

  it("the names of an earlier system change something now", () => {
    const env = { ...HOOK, AUTHGENT_WEBHOOK_RETRIES: "3", AUTHGENT_WEBHOOK_BACKOFF: "1,5,30" };
    expect(loadSettings(env).warnings).toEqual([]);
  });
});
