// Lays out in dist/package what the package holds. Of a README's pictures VS Code shows those alone that it fetches by https: ours
// are left out, and the screen in plain text stays.
import { cpSync, readFileSync, rmSync, writeFileSync } from "node:fs";

const PLACE = "dist/package";

rmSync(PLACE, { recursive: true, force: true });
for (const name of ["package.json", ".vscodeignore", "LICENSE", "media", "dist/extension.js", "dist/webview.js"]) {
  cpSync(name, `${PLACE}/${name}`, { recursive: true });
}
writeFileSync(`${PLACE}/README.md`, readFileSync("README.md", "utf8").replace(/^!\[.*\n\n/gm, ""));
