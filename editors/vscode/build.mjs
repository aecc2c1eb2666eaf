// Bundles the extension and its webview; with --tests the unit tests, too. Fails above 300 KB.
import { build } from "esbuild";
import { readdirSync, statSync } from "node:fs";

const LIMIT = 300_000;
const common = { bundle: true, minify: true, legalComments: "none", logLevel: "warning", target: "es2022" };

await build({
  ...common, entryPoints: ["src/extension.ts"], outfile: "dist/extension.js", platform: "node", format: "cjs", external: ["vscode"],
});
await build({ ...common, entryPoints: ["webview/main.ts"], outfile: "dist/webview.js", platform: "browser", format: "iife" });
const size = statSync("dist/extension.js").size + statSync("dist/webview.js").size;
console.log(`bundle: ${size} bytes of ${LIMIT}`);
if (size > LIMIT) throw new Error("the bundle is too large");

if (process.argv.includes("--tests")) {
  const tests = readdirSync("test").filter((name) => name.endsWith(".test.ts")).map((name) => `test/${name}`);
  await build({
    ...common, minify: false, entryPoints: tests, outdir: "dist/test", platform: "node", format: "cjs", external: ["vscode"],
  });
}
