import { OAuthError } from "@/lib/errors";
import { html, render, type SafeHtml } from "@/lib/html";

/** The headers of every page: nothing runs, nothing frames it, nothing keeps it. */
export function pageHeaders(): Headers {
  return new Headers({
    "Content-Type": "text/html; charset=utf-8",
    "Content-Security-Policy":
      "default-src 'none'; style-src 'self'; img-src 'self' data:; base-uri 'none'; frame-ancestors 'none'; form-action 'self'",
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    // `no-referrer` would make browsers send `Origin: null` with a form post.
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cross-Origin-Opener-Policy": "same-origin",
  });
}

type Page = {
  title: string;
  status: number;
  issuerHost: string;
  body: SafeHtml;
  /** An address to move on to at once; the body links to it too. */
  refresh?: string;
};

/** A page for people that a machine endpoint answers in place, set like those that React renders. */
export function htmlPage({ title, status, issuerHost, body, refresh }: Page): Response {
  const headers = pageHeaders();
  if (refresh) headers.set("Refresh", `0; url=${refresh}`);
  const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title} · ${issuerHost}</title>
<link rel="stylesheet" href="/authgent.css">
<link rel="icon" href="/icon.svg" type="image/svg+xml">
</head>
<body>
<div class="sheet">
<a class="skip" href="#letter">Skip to the content</a>
<header><div class="letterhead"><a class="product" href="/">Authgent</a> <span>${issuerHost}</span></div></header>
<main class="letter" id="letter" tabindex="-1">
<h1>${title}</h1>
${body}
</main>
<footer class="colophon"><ul><li><a href="/me">My agents</a></li><li><a href="/">About this server</a></li></ul></footer>
</div>
</body>
</html>
`;
  return new Response(render(page), { status, headers });
}

type Notice = {
  title: string;
  status: number;
  issuerHost: string;
  happened: string;
  /** What the person can do now. */
  advice?: string;
  /** Finds this event in the operator's log. */
  reference?: string;
};

/** A page with one message, such as a refusal that must not be redirected (RFC 6749 §4.1.2.1). */
export function noticePage({ title, status, issuerHost, happened, advice, reference }: Notice): Response {
  const body = html`<p>${happened}</p>
${advice && html`<p>${advice}</p>`}
${reference && html`<p class="lead aside">Reference <code>${reference}</code></p>`}`;
  return htmlPage({ title, status, issuerHost, body });
}

type Return = {
  issuerHost: string;
  app: string;
  /** The redirection URI with the answer in it, already checked against the client's registration. */
  url: string;
  kind: "https" | "loopback" | "private-use";
};

/** Sends the person back to the app, with a link where a browser does not follow by itself (RFC 8252 §7.1). */
export function returnPage({ issuerHost, app, url, kind }: Return): Response {
  const target = returnTarget(url, kind);
  const name = app.length > LONGEST_NAME ? `${app.slice(0, LONGEST_NAME)}…` : app;
  const code = target.searchParams.get("code");
  const body = html`<p>${kind !== "private-use" && html`Your answer goes to <strong>${target.host}</strong>. `}If nothing opens by itself, use the button. You can close this page afterwards.</p>
<p class="stack"><a class="button act" href="${target.href}"><span>${kind === "private-use" ? "Open" : "Continue to"} <bdi>${name}</bdi></span></a></p>
${code !== null && kind !== "https" && copyFallback(code, target.href)}`;
  return htmlPage({ title: `Returning you to ${name}`, status: 200, issuerHost, body, refresh: target.href });
}

// A name is the app's own words: it must not push the button out of sight.
const LONGEST_NAME = 60;

/** For an app that runs where this browser cannot reach it: another machine, a container. */
function copyFallback(code: string, href: string): SafeHtml {
  return html`<details class="more lead">
<summary>Having trouble?</summary>
<p>If the app runs on another machine or in a container, this browser cannot reach it. Copy what it asks for and paste it there, and nowhere else.</p>
<p class="lead">The code</p>
<code class="copy">${code}</code>
<p class="lead">Or the whole address</p>
<code class="copy">${href}</code>
</details>`;
}

// Schemes that a browser itself acts on: never an app's own.
const BROWSER_SCHEMES =
  /^(?:https?|javascript|data|vbscript|file|blob|about|filesystem|view-source|ftp|wss?):$/;
const LOOPBACK = /^(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])$/;

/** The parsed address, if its scheme is one that its kind of redirection may have. */
function returnTarget(url: string, kind: Return["kind"]): URL {
  const target = URL.canParse(url) ? new URL(url) : undefined;
  if (target && isOfKind(target, kind)) return target;
  throw new OAuthError(
    "invalid_request",
    "The app registered a return address that browsers must not follow.",
    {
      reason: `return address of kind ${kind} is not of that kind`,
    },
  );
}

function isOfKind({ protocol, hostname }: URL, kind: Return["kind"]): boolean {
  switch (kind) {
    case "https":
      return protocol === "https:";
    case "loopback":
      return (protocol === "http:" || protocol === "https:") && LOOPBACK.test(hostname);
    case "private-use":
      return !BROWSER_SCHEMES.test(protocol);
  }
}
