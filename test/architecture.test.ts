import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { dirname, posix } from "node:path";
import { describe, expect, it } from "vitest";
import * as schema from "@/db/schema/index";
import { EVENTS } from "@/lib/services/events";

type Import = { from: string; to: string; typeOnly: boolean };

const files = execFileSync(
  "git",
  ["ls-files", "--cached", "--others", "--exclude-standard", "*.ts", "*.tsx"],
  {
    encoding: "utf8",
  },
)
  .split("\n")
  .filter((file) => file !== "");

const IMPORT =
  /(?:^|\n)\s*(import|export)\s+(type\s)?[^;"'`]*?from\s*"([^"]+)"|import\(\s*"([^"]+)"\s*\)|(?:^|\n)import\s+"([^"]+)"/g;

/** Every import of a file; our own files by their path from the root, packages by name. */
function importsOf(file: string): Import[] {
  return [...readFileSync(file, "utf8").matchAll(IMPORT)].map((match) => {
    const to = match[3] ?? match[4] ?? match[5] ?? "";
    return { from: file, to: resolve(file, to), typeOnly: match[2] !== undefined };
  });
}

function resolve(file: string, to: string): string {
  if (to.startsWith("@/")) return to.slice(2);
  return to.startsWith(".") ? posix.normalize(posix.join(dirname(file), to)) : to;
}

const isTest = (file: string) => /\.(test|spec)\.tsx?$/.test(file) || /^(test|e2e|bench)\//.test(file);
const imports = files.filter((file) => !isTest(file)).flatMap(importsOf);

type Rule = { rule: string; from: RegExp; never: RegExp; valuesOnly?: boolean; except?: RegExp };

const NEXT = /^(next|react|react-dom|next-auth)(\/|$)/;

const RULES: readonly Rule[] = [
  { rule: "db is the bottom", from: /^db\//, never: /^(app|components|lib|server|cli)\// },
  {
    rule: "lib is below app, server and cli",
    from: /^lib\//,
    never: /^(app|components|server|cli|test|e2e)\//,
  },
  { rule: "lib is free of Next", from: /^lib\//, never: NEXT },
  {
    rule: "lib/oauth is pure: no I/O, no clock, no database",
    from: /^lib\/oauth\//,
    never: /^(db\/|lib\/(?!oauth\/|errors$)|drizzle-orm|node:(?!crypto))/,
  },
  { rule: "app and components never touch the database", from: /^(app|components)\//, never: /^db\// },
  { rule: "components see types of lib only", from: /^components\//, never: /^lib\//, valuesOnly: true },
  {
    rule: "next-auth is in one file, and in that of the app that shows how to sign in with us",
    from: /./,
    never: /^(next-auth|@auth)\b/,
    except: /^(app\/session|examples\/next-auth\/auth)\.ts$/,
  },
  { rule: "examples stand alone", from: /^examples\//, never: /^(app|components|db|lib|server|cli)\// },
];

describe("the dependency rule: app, server, cli → lib → db, never back", () => {
  it.each(RULES)("$rule", ({ from, never, valuesOnly, except }) => {
    const broken = imports.filter(
      (one) =>
        from.test(one.from) && never.test(one.to) && !(valuesOnly && one.typeOnly) && !except?.test(one.from),
    );
    expect(broken.map((one) => `${one.from} → ${one.to}`)).toEqual([]);
  });
});

describe("what linters cannot hold", () => {
  const read = (file: string) => readFileSync(file, "utf8");
  const library = files.filter((file) => file.startsWith("lib/") && !isTest(file));

  it("time comes from the context: nothing in lib reads the clock itself", () => {
    const readers = library.filter((file) => /\bDate\.now\(\)|new Date\(\)/.test(read(file)));
    // The running context is where the real clock enters.
    expect(readers).toEqual(["lib/running-context.ts"]);
  });

  it("each table is written by one service", () => {
    const writers = library.flatMap((file) => {
      const built = [...read(file).matchAll(/\.(?:insert|update|delete)\((\w+)\)/g)].map(
        ([, table]) => table,
      );
      const written = [...read(file).matchAll(/\b(?:insert into|update|delete from) (\w+)\s+[(s]/g)].map(
        ([, table]) => table?.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase()),
      );
      // What is no table is a map of some other thing.
      const tables = [...built, ...written].filter((name) => Object.hasOwn(schema, name ?? ""));
      return tables.map((table) => `${table} ${file}`);
    });
    const shared = [...groupByTable([...new Set(writers)])]
      .filter(([, all]) => all.length > 1)
      .map(([table, all]) => [table, all.length]);
    // Tokens, their events and their receipts are appended in one statement, so that many requests share one commit.
    expect(shared.sort()).toEqual([
      ["events", 2],
      ["receipts", 2],
    ]);
  });

  it("every file past 300 lines has a reason", () => {
    const long = files.filter((file) => !isTest(file) && read(file).split("\n").length > 300);
    expect(long).toEqual([]);
  });

  it("no event is declared that nothing records", () => {
    const code = library
      .filter((file) => file !== "lib/services/events.ts")
      .map(read)
      .join("\n");
    const appCode = files
      .filter((file) => file.startsWith("app/"))
      .map(read)
      .join("\n");
    expect(EVENTS.filter((type) => !`${code}${appCode}`.includes(`"${type}"`))).toEqual([]);
  });
});

function groupByTable(writers: readonly string[]): Map<string, string[]> {
  const groups = new Map<string, string[]>();
  for (const writer of writers) {
    const table = writer.split(" ")[0] ?? "";
    groups.set(table, [...(groups.get(table) ?? []), writer]);
  }
  return groups;
}
