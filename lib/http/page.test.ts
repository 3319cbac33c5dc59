import { describe, expect, it } from "vitest";
import { OAuthError } from "@/lib/errors";
import { html } from "@/lib/html";
import { htmlPage, noticePage, pageHeaders, returnPage } from "./page";

const issuerHost = "auth.corp.example";
const hostile = `<script>alert(1)</script> " onload='x' &`;
const harmless = "&lt;script&gt;alert(1)&lt;/script&gt; &quot; onload=&#39;x&#39; &amp;";

const textOf = (body: ReturnType<typeof html>) =>
  htmlPage({ title: "Title", status: 200, issuerHost, body }).text();

describe("html", () => {
  it("escapes a value in text", async () => {
    expect(await textOf(html`<p>${hostile}</p>`)).toContain(`<p>${harmless}</p>`);
  });

  it("escapes a value in a quoted attribute", async () => {
    expect(await textOf(html`<a title="${hostile}">x</a>`)).toContain(`<a title="${harmless}">x</a>`);
  });

  it("nests what it built, without escaping it twice", async () => {
    const items = ["a & b", "c"].map((item) => html`<li>${item}</li>`);
    expect(await textOf(html`<ul>${items}</ul>`)).toContain("<ul><li>a &amp; b</li><li>c</li></ul>");
  });

  it("leaves out what is absent", async () => {
    expect(await textOf(html`<i>${undefined}${false}</i>`)).toContain("<i></i>");
  });

  it("drops marks that reorder or hide text", async () => {
    expect(await textOf(html`<i>${"moc\u202E.live\u200B\u0000"}</i>`)).toContain("<i>moc.live</i>");
  });
});

describe("pageHeaders", () => {
  it("lets nothing run, frame or keep the page", () => {
    expect(Object.fromEntries(pageHeaders())).toEqual({
      "content-type": "text/html; charset=utf-8",
      "content-security-policy":
        "default-src 'none'; style-src 'self'; img-src 'self' data:; base-uri 'none'; frame-ancestors 'none'; form-action 'self'",
      "x-frame-options": "DENY",
      "x-content-type-options": "nosniff",
      "referrer-policy": "same-origin",
      "cache-control": "no-store",
      "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
      "cross-origin-opener-policy": "same-origin",
    });
  });
});

describe("noticePage", () => {
  it("answers with its status, no Location, and every part escaped", async () => {
    const part = (name: string) => `${name} ${hostile}`;
    const response = noticePage({
      title: part("title"),
      status: 400,
      issuerHost,
      happened: part("happened"),
      advice: part("advice"),
      reference: part("reference"),
    });
    expect(response.status).toBe(400);
    expect(response.headers.get("Location")).toBeNull();
    const page = await response.text();
    for (const name of ["title", "happened", "advice", "reference"])
      expect(page).toContain(`${name} ${harmless}`);
    expect(page).not.toContain("<script");
  });
});

describe("returnPage", () => {
  const callback = "cursor://anysphere/callback?code=s3cret&state=a%22b";

  it("moves on by itself and by a link", async () => {
    const response = returnPage({ issuerHost, app: hostile, url: callback, kind: "private-use" });
    expect(response.status).toBe(200);
    expect(response.headers.get("Refresh")).toBe(`0; url=${callback}`);
    const page = await response.text();
    expect(page).toContain(`href="cursor://anysphere/callback?code=s3cret&amp;state=a%22b"`);
    expect(page).toContain(`<span>Open <bdi>${harmless}</bdi></span>`);
  });

  it("cuts a long name, so that the button stays in sight", async () => {
    const page = await returnPage({
      issuerHost,
      app: "a".repeat(200),
      url: callback,
      kind: "private-use",
    }).text();
    expect(page).toContain(`<bdi>${"a".repeat(60)}…</bdi>`);
  });

  it.each([
    ["private-use", callback, true],
    ["loopback", "http://127.0.0.1:4711/callback?code=s3cret", true],
    ["https", "https://app.example/callback?code=s3cret", false],
    ["loopback", "http://127.0.0.1:4711/callback?error=access_denied", false],
  ] as const)("%s %s: the code can be copied: %s", async (kind, url, copyable) => {
    const page = await returnPage({ issuerHost, app: "App", url, kind }).text();
    expect(page.includes('<code class="copy">s3cret</code>')).toBe(copyable);
  });

  it.each([
    ["https", "http://app.example/callback"],
    ["https", "javascript:alert(1)"],
    ["loopback", "http://app.example/callback"],
    ["loopback", "http://127.0.0.1.app.example/callback"],
    ["private-use", "javascript:alert(1)"],
    ["private-use", "JavaScript:alert(1)"],
    ["private-use", " data:text/html,x"],
    ["private-use", "file:///etc/passwd"],
    ["private-use", "https://app.example/callback"],
    ["private-use", "not an address"],
  ] as const)("%s: refuses %s", (kind, url) => {
    expect(() => returnPage({ issuerHost, app: "App", url, kind })).toThrow(OAuthError);
  });
});
