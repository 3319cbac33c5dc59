import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { configurationPage, environmentExample, GROUPS } from "./docs";
import { Settings, settingNames } from "./schema";

const onDisk = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), "utf8");

describe("the documents made from the settings", () => {
  it(".env.example is fresh; otherwise run node scripts/generate-docs.mjs", () => {
    expect(onDisk(".env.example")).toBe(environmentExample());
  });

  it("docs/configuration.md is fresh; otherwise run node scripts/generate-docs.mjs", () => {
    expect(onDisk("docs/configuration.md")).toBe(configurationPage());
  });

  it("show every setting once", () => {
    expect(GROUPS.flatMap(({ keys }) => keys).sort()).toEqual([...settingNames].sort());
  });

  it.each(settingNames)("describe %s", (key) => {
    expect(Settings.shape[key].description).toMatch(/\S/);
  });
});
