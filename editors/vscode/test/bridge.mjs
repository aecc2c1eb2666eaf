// What `greenloop aid connect` would be: answers, or goes away, as its first argument says.
import { createMessageConnection, StreamMessageReader, StreamMessageWriter } from "vscode-jsonrpc/node";

const [manner] = process.argv.slice(2);
if (manner === "refuses") {
  process.stderr.write("greenloop: the home is not writable: free some space\n");
  process.exit(1);
}
const connection = createMessageConnection(new StreamMessageReader(process.stdin), new StreamMessageWriter(process.stdout));
connection.onRequest("initialize", (params) => ({ version: "9", protocol: params.protocol, pid: process.pid, session: JSON.stringify(params) }));
connection.onRequest("sidecar/status", () => ({ pid: process.pid }));
connection.onRequest("workspace/open", async (params) => {
  void connection.sendNotification("status/changed", { workspace: params.path, state: "green" });
  const asked = await connection.sendRequest("approval/request", { turn: "", tool: "t", arguments: {}, why: "w" });
  return { workspace: params.path, root: params.path, trusted: asked.approved, toolchain: "" };
});
connection.onRequest("turn/start", () => process.exit(1));
connection.onClose(() => process.exit(0));
connection.listen();
