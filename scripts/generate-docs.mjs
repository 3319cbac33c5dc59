// Writes .env.example and docs/configuration.md from lib/settings, and docs/conformance.md from the
// endpoints and the titles of the tests in test/spec.
import { readdir, readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const root = new URL("../", import.meta.url);

async function bundled(path) {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL(path, root))],
    bundle: true,
    format: "esm",
    platform: "node",
    write: false,
  });
  const [bundle] = outputFiles;
  return import(`data:text/javascript;base64,${Buffer.from(bundle.contents).toString("base64")}`);
}

const settings = await bundled("lib/settings/docs.ts");
await writeFile(new URL(".env.example", root), settings.environmentExample());
await writeFile(new URL("docs/configuration.md", root), settings.configurationPage());

const specs = new URL("test/spec/", root);
const names = (await readdir(specs)).filter((name) => name.endsWith(".test.ts")).sort();
const files = names.map(async (name) => ({ name, source: await readFile(new URL(name, specs), "utf8") }));
const { conformancePage } = await bundled("lib/http/conformance.ts");
await writeFile(new URL("docs/conformance.md", root), conformancePage(await Promise.all(files)));
