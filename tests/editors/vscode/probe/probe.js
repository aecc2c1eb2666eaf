// Lets a test look into the extension host: lines of JSON on a Unix socket, {"code": the body of an async function}.
// It is installed beside the layer in tests only.
const net = require("node:net");
const path = require("node:path");
const vscode = require("vscode");

exports.activate = () => {
  const folder = vscode.workspace.workspaceFolders?.[0];
  const name = folder ? path.basename(folder.uri.fsPath) : "none";
  const server = net.createServer((socket) => {
    let waiting = "";
    socket.on("data", async (data) => {
      waiting += data;
      const lines = waiting.split("\n");
      waiting = lines.pop();
      for (const line of lines) {
        let answer;
        try {
          const run = new Function("vscode", "require", "given", `return (async () => {${JSON.parse(line).code}})()`);
          answer = { value: (await run(vscode, require, JSON.parse(line).given)) ?? null };
        } catch (error) {
          answer = { error: String(error?.stack ?? error) };
        }
        socket.write(JSON.stringify(answer) + "\n");
      }
    });
    socket.on("error", () => undefined);
  });
  server.listen(path.join(process.env.GREENLOOP_PROBES, `${name}.sock`));
};
