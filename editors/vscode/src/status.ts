// The build status: in the status bar, and as diagnostics.
import * as vscode from "vscode";
import type { Conversation } from "./conversation.js";
import type { Problem, Status } from "./protocol.js";
import type { Workspaces } from "./workspaces.js";

const SEVERITY = {
  error: vscode.DiagnosticSeverity.Error, warning: vscode.DiagnosticSeverity.Warning, info: vscode.DiagnosticSeverity.Information,
};
const STATES: Record<Status["state"], [icon: string, words: string]> = {
  unknown: ["circle-outline", "nothing is known of the build"], checking: ["sync~spin", "the build is being checked"],
  green: ["pass", "the build is green"], red: ["error", "the build is red"],
  untrusted: ["shield", "this workspace is not trusted, so nothing is built"], fault: ["warning", "the build cannot be checked"],
};

export class StatusBar implements vscode.Disposable {
  readonly diagnostics = vscode.languages.createDiagnosticCollection("greenloop");
  private readonly item = vscode.window.createStatusBarItem("greenloop.status", vscode.StatusBarAlignment.Left, 50);

  constructor(private readonly workspaces: Workspaces, private readonly conversation: Conversation) {
    this.item.name = "Greenloop";
    this.item.command = "greenloop.chat.focus";
    this.show();
    this.item.show();
  }

  dispose(): void {
    this.item.dispose();
    this.diagnostics.dispose();
  }

  /** Show what is known by now. */
  show(): void {
    const running = this.conversation.running().at(-1);
    const status = this.worst();
    const [icon, words] = status ? STATES[status.state] : STATES.unknown;
    const count = status?.state === "red" && status.errors ? `: ${status.errors === 1 ? "1 error" : `${status.errors} errors`}` : "";
    const state = vscode.workspace.isTrusted ? `${words}${count}${status?.note ? ` (${status.note})` : ""}` : "off in Restricted Mode";
    this.item.text = running ? `$(sync~spin) Greenloop: ${running.progress}` : `$(${icon}) Greenloop${count}`;
    this.item.tooltip = `Greenloop: ${running ? `${running.progress}; ` : ""}${state}`;
    this.item.accessibilityInformation = { label: this.item.tooltip, role: "button" };
    this.item.backgroundColor = status?.state === "red" && !running ? new vscode.ThemeColor("statusBarItem.errorBackground") : undefined;
    this.problems();
  }

  private worst(): Status | undefined {
    const order: Status["state"][] = ["red", "fault", "checking", "untrusted", "green", "unknown"];
    const known = this.workspaces.all().map((one) => one.status).filter((one) => one !== undefined);
    return known.sort((a, b) => order.indexOf(a.state) - order.indexOf(b.state))[0];
  }

  private problems(): void {
    this.diagnostics.clear();
    if (!vscode.workspace.getConfiguration("greenloop").get<boolean>("showProblems", true)) return;
    for (const workspace of this.workspaces.all()) {
      const found = new Map<string, vscode.Diagnostic[]>();
      for (const one of workspace.status?.problems ?? [])
        if (one.path !== null) found.set(one.path, [...(found.get(one.path) ?? []), diagnostic(one)]);
      for (const [path, list] of found) this.diagnostics.set(this.workspaces.uri(workspace, path), list);
    }
  }
}

function diagnostic(problem: Problem): vscode.Diagnostic {
  const { start, end } = problem.range ?? { start: { line: 0, column: 0 }, end: { line: 0, column: 0 } };
  const made = new vscode.Diagnostic(new vscode.Range(start.line, start.column, end.line, end.column), problem.message, SEVERITY[problem.severity]);
  made.source = "Greenloop";
  return made;
}

/** "Fix with Greenloop" on errors: as a quick fix of anyone's, and above the lines of the build's. */
export function fixes(status: StatusBar): vscode.Disposable[] {
  const files = { scheme: "file" };
  const isError = (one: vscode.Diagnostic): boolean => one.severity === vscode.DiagnosticSeverity.Error;
  const command = (document: vscode.TextDocument, one: vscode.Diagnostic): vscode.Command =>
    ({ command: "greenloop.fix", title: "Fix with Greenloop", arguments: [document.uri, one] });
  const provideCodeActions: vscode.CodeActionProvider["provideCodeActions"] = (document, _range, context) =>
    context.diagnostics.filter(isError).map((one) => {
      const action = new vscode.CodeAction("Fix with Greenloop", vscode.CodeActionKind.QuickFix);
      return Object.assign(action, { diagnostics: [one], command: command(document, one) });
    });
  const provideCodeLenses = (document: vscode.TextDocument): vscode.CodeLens[] =>
    vscode.workspace.getConfiguration("greenloop").get<boolean>("codeLens", true)
      ? (status.diagnostics.get(document.uri) ?? []).filter(isError).map((one) => new vscode.CodeLens(one.range, command(document, one)))
      : [];
  return [
    vscode.languages.registerCodeActionsProvider(files, { provideCodeActions }, { providedCodeActionKinds: [vscode.CodeActionKind.QuickFix] }),
    vscode.languages.registerCodeLensProvider(files, { provideCodeLenses, onDidChangeCodeLenses: (tell) => vscode.languages.onDidChangeDiagnostics(() => tell()) }),
  ];
}
