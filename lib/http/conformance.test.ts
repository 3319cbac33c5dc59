import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { conformancePage } from "./conformance";

const onDisk = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), "utf8");

describe("docs/conformance.md", () => {
  it("is fresh; otherwise run npm run docs", () => {
    const names = readdirSync(new URL("../../test/spec", import.meta.url)).filter((name) =>
      name.endsWith(".test.ts"),
    );
    const files = names.sort().map((name) => ({ name, source: onDisk(`test/spec/${name}`) }));
    expect(onDisk("docs/conformance.md")).toBe(conformancePage(files));
  });

  it("counts the tests that name a section, themselves or by the describe around them", () => {
    const source = `
      describe("revocation", () => {
        it("§2.1: a token", () => {});
        it("says hello", () => {});
      });
      describe("errors (RFC 7009 §2.2.1)", () => {
        it.each([1, 2])("of %s", () => {});
      });`;
    const page = conformancePage([{ name: "rfc7009.test.ts", source }]);
    expect(page).toContain(
      "| RFC 7009 | [rfc7009.test.ts](../test/spec/rfc7009.test.ts) | 2 | §2.1 §2.2.1 |",
    );
    expect(page).toContain("| `POST /revoke` | Give a token back | RFC 7009 §2 | 2 |");
  });
});
