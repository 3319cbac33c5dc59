import { existsSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { clientProfiles } from "./index";

const root = new URL("../../", import.meta.url);
const page = readFileSync(new URL("docs/clients.md", root), "utf8");
const rows = page
  .split("\n")
  .filter((line) => line.startsWith("| "))
  .map((line) =>
    line
      .split("|")
      .map((cell) => cell.trim())
      .slice(1, -1),
  );

describe("docs/clients.md", () => {
  it("says of every profile what the profile says", () => {
    const told = rows.filter(
      (cells) =>
        cells.length === 3 &&
        !/^Q\d/.test(cells[0] ?? "") &&
        !["Client", "Quirk", "---"].includes(cells[0] ?? ""),
    );
    expect(told).toEqual(
      clientProfiles.map(({ name, registration, token }) => [
        name,
        registration.kind === "document" ? "document" : "registration",
        token.auth,
      ]),
    );
  });

  const quirks = rows.filter(([first]) => /^Q\d+$/.test(first ?? ""));

  it("has every quirk once, in order", () => {
    expect(quirks.map(([quirk]) => quirk)).toEqual(Array.from({ length: 41 }, (_, index) => `Q${index + 1}`));
  });

  it("names tests that exist", () => {
    const named = quirks.flatMap(([, , tests]) => tests?.match(/[\w/-]+\.test\.ts/g) ?? []);
    expect(named.filter((file) => !existsSync(new URL(file, root)))).toEqual([]);
  });

  it("names the profiles' test for every quirk that a profile exercises and a request can show", () => {
    const exercised = new Set(clientProfiles.flatMap(({ quirks }) => quirks));
    const elsewhere = ["Q9", "Q11", "Q15"];
    const missing = quirks.filter(
      ([quirk = "", , tests]) =>
        exercised.has(quirk) && !elsewhere.includes(quirk) && !tests?.includes("client-profiles.test.ts"),
    );
    expect(missing).toEqual([]);
  });
});
