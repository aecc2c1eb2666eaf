// A team's domain tools: chosen, given their arguments, approved where they write, and what they answer.
import * as vscode from "vscode";
import type { CancellationToken } from "vscode-jsonrpc/node";
import { plain, type Sidecar } from "./connection.js";
import type { Conversation } from "./conversation.js";
import type { Approval, ApprovalRequest } from "./protocol.js";
import type { Workspace } from "./workspaces.js";

interface Schema { type?: string; enum?: unknown[]; default?: unknown; title?: string; description?: string }

export async function runTool(sidecar: Sidecar, workspace: Workspace, conversation: Conversation): Promise<void> {
  const { tools } = await sidecar.request("tools/list", { workspace: workspace.state.workspace });
  const items = tools.map((tool) => ({
    label: `${tool.blocked ? "$(circle-slash) " : ""}${tool.name}`, tool,
    description: tool.blocked ? `blocked: ${tool.blocked}` : tool.writes ? "asks before it runs" : "", detail: tool.help || tool.title,
  }));
  const none = "This workspace has no tools: see [tools.NAME] in greenloop.toml, and `greenloop tools pin`.";
  if (items.length === 0) return void vscode.window.showInformationMessage(none);
  const picked = await vscode.window.showQuickPick(items, { title: "Greenloop: run a tool", matchOnDetail: true });
  if (picked === undefined) return;
  const { tool } = picked;
  if (tool.blocked) return void vscode.window.showWarningMessage(plain(`${tool.name} is blocked: ${tool.blocked}`));
  const given = await askArguments(tool.name, tool.arguments);
  if (given === undefined) return;
  const where = { location: vscode.ProgressLocation.Notification, title: `Greenloop: ${tool.name}`, cancellable: true };
  const answer = await vscode.window.withProgress(where, (_progress, token) =>
    sidecar.request("tools/call", { workspace: workspace.state.workspace, name: tool.name, arguments: given }, token));
  conversation.say({ role: "tool", title: `${tool.name}${answer.is_error ? " failed" : ""}`, text: answer.text });
  await vscode.commands.executeCommand("greenloop.chat.focus");
}

/** Ask for each argument of a schema; `undefined` when the person goes back on it. */
async function askArguments(name: string, schema: Record<string, unknown>): Promise<Record<string, unknown> | undefined> {
  const properties = (schema["properties"] ?? {}) as Record<string, Schema>;
  const needed = (schema["required"] ?? []) as string[];
  const given: Record<string, unknown> = {};
  for (const [key, about] of Object.entries(properties).sort(([a], [b]) => Number(needed.includes(b)) - Number(needed.includes(a)))) {
    const required = needed.includes(key);
    const title = `${name}: ${key}${required ? "" : " (may be left out)"}`;
    const choices = about.enum ?? (about.type === "boolean" ? [true, false] : undefined);
    if (choices) {
      const items = choices.map((value) => ({ label: JSON.stringify(value), value }));
      const picked = await vscode.window.showQuickPick(required ? items : [{ label: "leave it out", value: undefined }, ...items], { title });
      if (picked === undefined) return undefined;
      if (picked.value !== undefined) given[key] = picked.value;
      continue;
    }
    const text = await vscode.window.showInputBox({
      title, prompt: about.description ?? about.title ?? "", ignoreFocusOut: true,
      value: about.default === undefined || about.default === null ? "" : typeof about.default === "string" ? about.default : JSON.stringify(about.default),
      validateInput: (value) => (value === "" ? (required && about.type !== "string" ? "needed" : "") : parsed(about, value).wrong),
    });
    if (text === undefined) return undefined;
    if (text !== "" || required) given[key] = parsed(about, text).value;
  }
  return given;
}

/** What was typed, as the schema's type wants it. The sidecar checks it against the whole schema. */
function parsed(about: Schema, text: string): { value: unknown; wrong: string } {
  if (about.type === undefined || about.type === "string") return { value: text, wrong: "" };
  try {
    return { value: JSON.parse(text) as unknown, wrong: "" };
  } catch {
    return { value: text, wrong: `not of the type ${about.type}, as JSON` };
  }
}

/** Ask the person whether a tool may run. Whatever is not a plain yes is no. */
export async function approve(asked: ApprovalRequest, token: CancellationToken): Promise<Approval> {
  const yes = "Run It";
  const detail = `${asked.why}\n\n${JSON.stringify(asked.arguments, null, 2)}`;
  const question = vscode.window.showWarningMessage(`May Greenloop run ${asked.tool}?`, { modal: true, detail }, yes);
  const takenBack = new Promise<undefined>((resolve) => token.onCancellationRequested(() => resolve(undefined)));
  return { approved: (await Promise.race([question, takenBack])) === yes };
}
