// Writes .env.example and docs/configuration.md from lib/settings.
import { writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const root = new URL("../", import.meta.url);

const { outputFiles } = await build({
  entryPoints: [fileURLToPath(new URL("lib/settings/docs.ts", root))],
  bundle: true,
  format: "esm",
  platform: "node",
  write: false,
});
const [bundle] = outputFiles;
const docs = await import(`data:text/javascript;base64,${Buffer.from(bundle.contents).toString("base64")}`);

await writeFile(new URL(".env.example", root), docs.environmentExample());
await writeFile(new URL("docs/configuration.md", root), docs.configurationPage());
