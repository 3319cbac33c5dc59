import { operations } from "./openapi-operations";

/** One file of test/spec. */
type TestFile = { name: string; source: string };

type Tested = { standard: string; file: string; sections: readonly string[]; tests: number };

/** The text of `docs/conformance.md`: what each endpoint is held to, and which sections tests name. */
export function conformancePage(files: readonly TestFile[]): string {
  const tested = files.map(testedIn).filter(({ tests }) => tests > 0);
  return [INTRODUCTION, endpointChapter(tested), standardChapter(tested)].join("\n\n").concat("\n");
}

/** A test counts when its title, or that of the `describe` around it, names a section. */
function testedIn({ name, source }: TestFile): Tested {
  const sections = new Set<string>();
  let around = "";
  let tests = 0;
  for (const [, kind, , title = ""] of source.matchAll(TITLE)) {
    const named = title.match(SECTION) ?? [];
    for (const section of named) sections.add(section);
    if (kind === "describe") around = title;
    else if (named.length > 0 || SECTION.test(around)) tests += 1;
    SECTION.lastIndex = 0;
  }
  return { standard: standardOf(name), file: name, sections: [...sections].sort(bySection), tests };
}

const TITLE = /\b(describe|it)(?:\.each\b[\s\S]*?[)`])?\(\s*(["'`])(.*?)\2/g;
const SECTION = /§[\d.]*\d/g;

/** `rfc7009.test.ts` is about RFC 7009, as is `rfc7009-more.test.ts`; other files are about what stands here. */
function standardOf(file: string): string {
  const name = file.replace(/\.test\.ts$/, "");
  return NAMED[name] ?? name.replace(/^rfc(\d+)(?:-.*)?$/, (_, number) => `RFC ${number}`);
}

const NAMED: Readonly<Record<string, string>> = {
  "attestation-client-auth": "draft-ietf-oauth-attestation-based-client-auth-11",
  ciba: "CIBA Core",
  cimd: "draft-ietf-oauth-client-id-metadata-document-02",
  "cimd-loopback": "draft-ietf-oauth-client-id-metadata-document-02",
  deferred: "draft-ietf-oauth-deferred-token-response-00",
  mcp: "MCP",
  "id-jag-issue": "draft-ietf-oauth-identity-assertion-authz-grant-04",
  oidc: "OIDC Core",
  "oidc-id-token": "OIDC Core",
  openapi: "OpenAPI 3.1.1",
  "paused-assertions": "RFC 7523",
  "paused-exchange": "RFC 8693",
  refresh: "RFC 9700",
  "refresh-token-expiration": "draft-ietf-oauth-refresh-token-expiration-03",
  "registration-policies": "RFC 7591",
  "spiffe-client-auth": "draft-ietf-oauth-spiffe-client-auth-02",
  userinfo: "OIDC Core",
  webauthn: "WebAuthn Level 3",
};

const bySection = (a: string, b: string): number => a.localeCompare(b, "en", { numeric: true });

function endpointChapter(tested: readonly Tested[]): string {
  const rows = Object.entries(operations).map(([endpoint, { summary, spec, also = [] }]) => {
    const standards = [...(spec ? [spec] : []), ...also];
    const count = tested
      .filter(({ standard }) => standards.some((one) => one.startsWith(standard)))
      .reduce((sum, { tests }) => sum + tests, 0);
    return [`\`${endpoint}\``, summary, standards.join(", ") || "our own", count > 0 ? String(count) : "–"];
  });
  return `## Endpoints\n\n${table(["Endpoint", "What it does", "Standards", "Tests of these"], rows)}`;
}

function standardChapter(tested: readonly Tested[]): string {
  const rows = tested.map(({ standard, file, sections, tests }) => [
    standard,
    `[${file}](../test/spec/${file})`,
    String(tests),
    sections.join(" "),
  ]);
  return `## Standards\n\n${table(["Standard", "Tests", "Number", "Sections named"], rows)}`;
}

const table = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  [head, head.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n");

const INTRODUCTION = `# Conformance

<!-- Written by scripts/generate-docs.mjs from lib/http/openapi-operations.ts and the titles in test/spec. -->

Every test under \`test/spec\` says which section of which standard it proves. A test of a table counts once. \`GET /openapi.json\` of a running server describes the same endpoints in full; [clients.md](clients.md) says how the MCP clients of today get on with them.`;
