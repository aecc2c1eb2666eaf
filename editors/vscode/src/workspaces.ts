// The workspaces that the sidecar follows: where their files are, and which buffers differ from the disk.
import { realpath } from "node:fs/promises";
import * as path from "node:path";
import * as vscode from "vscode";
import type { Sidecar } from "./connection.js";
import type { Buffer, Place, Position, Problem, Range, Status, WorkspaceState } from "./protocol.js";
import { isVersionControls } from "./texts.js";

export interface Workspace {
  state: WorkspaceState;
  status: Status | undefined;
  /** A folder as VS Code names it, and as it is without links; the sidecar tells paths of the second kind. */
  shown: string;
  real: string;
}

/** Where a request is made: a file, with the cursor and the ends of the selection as offsets; or a folder, without them. */
export interface Spot { uri: vscode.Uri | undefined; at: number[] }

/** What a document would be on the disk. */
export const diskText = (document: vscode.TextDocument): string => (document.encoding === "utf8bom" ? "\ufeff" : "") + document.getText();

export class Workspaces {
  private readonly known = new Map<string, Workspace>();

  constructor(private readonly sidecar: Sidecar, private readonly changed: () => void) {}

  all(): Workspace[] {
    return [...this.known.values()];
  }

  /** Forget what a sidecar that is gone has said. */
  clear(): void {
    this.known.clear();
  }

  /** The workspace of a file, of the active editor, or of the first folder. */
  async of(uri = this.editor()?.document.uri): Promise<Workspace> {
    const folder = (uri && vscode.workspace.getWorkspaceFolder(uri)) ?? vscode.workspace.workspaceFolders?.[0];
    const file = uri?.scheme === "file" ? uri.fsPath : undefined;
    const found = this.all().find((one) => file !== undefined && within(one, file) !== undefined);
    if (found) return found;
    const where = folder?.uri.fsPath ?? file;
    if (where === undefined) throw new Error("There is no folder to work in: open one first.");
    return this.open(where);
  }

  async open(where: string): Promise<Workspace> {
    const state = await this.sidecar.request("workspace/open", { path: where });
    const real = await realpath(where).catch(() => where); // the sidecar says what is wrong with it
    return this.keep(state, this.known.get(state.root) ?? { state, status: undefined, shown: where, real });
  }

  async trust(workspace: Workspace, trusted: boolean): Promise<void> {
    this.keep(await this.sidecar.request("workspace/trust", { workspace: workspace.state.workspace, trusted }), workspace);
  }

  status(status: Status): void {
    for (const one of this.all()) if (one.state.workspace === status.workspace) one.status = status;
    this.changed();
  }

  uri(workspace: Workspace, relative: string): vscode.Uri {
    const full = path.join(workspace.state.root, ...relative.split("/"));
    const rest = path.relative(workspace.real, full);
    return vscode.Uri.file(rest.startsWith("..") ? full : path.join(workspace.shown, rest));
  }

  /** The path that the sidecar knows a file by; `undefined` outside of the workspace, and for version control's own files. */
  relative(workspace: Workspace, uri: vscode.Uri): string | undefined {
    const where = uri.scheme === "file" ? within(workspace, uri.fsPath) : undefined;
    return where === undefined || isVersionControls(where) ? undefined : where;
  }

  /** Every buffer that differs from the disk. */
  unsaved(workspace: Workspace): Buffer[] {
    return vscode.workspace.textDocuments.flatMap((document) => {
      const where = document.isDirty ? this.relative(workspace, document.uri) : undefined;
      return where === undefined ? [] : [{ path: where, text: diskText(document) }];
    });
  }

  /** The editor that the person is in: the last one with a file, for a sidebar takes the focus away. */
  editor(): vscode.TextEditor | undefined {
    const active = vscode.window.activeTextEditor;
    return active?.document.uri.scheme === "file" ? active : vscode.window.visibleTextEditors.find((one) => one.document.uri.scheme === "file");
  }

  /** Where the person is. */
  spot(editor = this.editor()): Spot {
    if (editor === undefined) return { uri: vscode.workspace.workspaceFolders?.[0]?.uri, at: [] };
    const { active, start, end } = editor.selection;
    return { uri: editor.document.uri, at: [active, start, end].map((one) => editor.document.offsetAt(one)) };
  }

  async place(workspace: Workspace, { uri, at }: Spot): Promise<Place | null> {
    const where = uri && this.relative(workspace, uri);
    if (uri === undefined || where === undefined || at.length === 0) return null;
    const document = await vscode.workspace.openTextDocument(uri).then((one) => one, () => undefined); // it may be gone
    const [cursor, start, end] = at.map((one) => document && position(document.positionAt(one)));
    return { path: where, cursor: cursor ?? null, selection: start && end && at[1] !== at[2] ? { start, end } : null };
  }

  /** The errors and warnings that the person sees; those at the cursor come first, and of these the one with this message. */
  seen(workspace: Workspace, place: Place | null, message?: string): Problem[] {
    const found = vscode.languages.getDiagnostics().flatMap(([uri, diagnostics]) => {
      const where = this.relative(workspace, uri);
      const cursor = place?.path === where && place?.cursor;
      const near = (one: vscode.Diagnostic): number =>
        cursor && one.range.contains(new vscode.Position(cursor.line, cursor.column)) ? (one.message === message ? 2 : 1) : 0;
      return diagnostics.filter((one) => where !== undefined && one.severity <= vscode.DiagnosticSeverity.Warning)
        .map((one) => ({ near: near(one), problem: problem(where ?? "", one) }));
    });
    return found.sort((a, b) => b.near - a.near).map((one) => one.problem);
  }

  private keep(state: WorkspaceState, workspace: Workspace): Workspace {
    workspace.state = state;
    this.known.set(state.root, workspace);
    this.changed();
    return workspace;
  }
}

const position = (one: vscode.Position): Position => ({ line: one.line, column: one.character });
const range = (one: vscode.Range): Range => ({ start: position(one.start), end: position(one.end) });

function problem(where: string, one: vscode.Diagnostic): Problem {
  const severity = one.severity === vscode.DiagnosticSeverity.Error ? "error" : "warning";
  return { path: where, severity, message: one.message, range: range(one.range) };
}

/** The path inside the workspace; `undefined` for what is outside. */
function within(workspace: Workspace, file: string): string | undefined {
  const rest = path.relative(workspace.shown, file);
  const full = rest.startsWith("..") ? file : path.join(workspace.real, rest);
  const where = path.relative(workspace.state.root, full).split(path.sep).join("/");
  return where.startsWith("..") || path.isAbsolute(where) ? undefined : where;
}
