/** Compiles app/styles.css into public/authgent.css, the one stylesheet of every page. */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import tailwindcss from "@tailwindcss/postcss";
import postcss from "postcss";

const from = fileURLToPath(new URL("../app/styles.css", import.meta.url));
const to = fileURLToPath(new URL("../public/authgent.css", import.meta.url));

const started = performance.now();
const { css } = await postcss([tailwindcss({ optimize: { minify: true } })]).process(await readFile(from), {
  from,
  to,
});
await mkdir(new URL("../public/", import.meta.url), { recursive: true });
await writeFile(to, css);
console.log(`public/authgent.css: ${css.length} bytes in ${Math.round(performance.now() - started)} ms`);
