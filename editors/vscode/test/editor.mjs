// Has `vscode` be the stand-in beside this file. Import it before what imports `vscode`.
import { registerHooks } from "node:module";
import * as path from "node:path";
import { pathToFileURL } from "node:url";

const url = pathToFileURL(path.resolve("test/vscode.cjs")).href;
registerHooks({ resolve: (name, context, next) => (name === "vscode" ? { url, format: "commonjs", shortCircuit: true } : next(name, context)) });
