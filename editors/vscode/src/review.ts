// The suggestion in the built-in multi-file diff editor, and walking over its changes.

import * as vscode from "vscode";
import { after, type Suggestion } from "./conversation.js";
import type { FileChange, Hunk } from "./protocol.js";
import { hunkAt, sha256, spliced } from "./texts.js";
import { present } from "./writing.js";
import type { Workspace, Workspaces } from "./workspaces.js";

const BASE = "greenloop-base";
const PROPOSED = "greenloop-proposed";

interface Shown { workspace: Workspace; turn: string; suggestion: Suggestion; sides: Map<string, { base: string; proposed: string }> }

/** A change: a file and a hunk in it; a plain rename has none. */
interface Step { file: FileChange; hunk: Hunk | undefined }

export class Review implements vscode.TextDocumentContentProvider {
  private shown: Shown | undefined;
  private at = -1;

  constructor(private readonly workspaces: Workspaces) {}

  register(): vscode.Disposable[] {
    return [BASE, PROPOSED].map((scheme) => vscode.workspace.registerTextDocumentContentProvider(scheme, this));
  }

  provideTextDocumentContent(uri: vscode.Uri): string {
    const side = this.shown?.sides.get(uri.path.slice(1));
    return (uri.scheme === BASE ? side?.base : side?.proposed) ?? "";
  }

  /** Show a suggestion's files side by side. */
  async show(workspace: Workspace, turn: string, suggestion: Suggestion, sent: ReadonlyMap<string, string>): Promise<void> {
    await this.prepare(workspace, turn, suggestion, sent);
    const files = suggestion.proposed.files.map((file): [vscode.Uri, vscode.Uri | undefined, vscode.Uri | undefined] => [
      this.workspaces.uri(workspace, after(file)),
      file.kind === "create" ? undefined : this.side(BASE, turn, file.path),
      file.kind === "delete" ? undefined : this.side(PROPOSED, turn, after(file)),
    ]);
    await vscode.commands.executeCommand("setContext", "greenloop.reviewing", true);
    await vscode.commands.executeCommand("vscode.changes", `Greenloop: ${suggestion.label}`, files);
  }

  /** Go to the next change (`1`) or the previous one (`-1`) in the files themselves; in the diff where there is no file yet. */
  async walk(workspace: Workspace, turn: string, suggestion: Suggestion, sent: ReadonlyMap<string, string>, by: 1 | -1): Promise<string> {
    if (this.shown?.suggestion !== suggestion) await this.prepare(workspace, turn, suggestion, sent);
    const steps = this.steps();
    this.at = this.at < 0 && by < 0 ? steps.length - 1 : (this.at + by + steps.length) % steps.length;
    return this.go(steps[this.at]);
  }

  /** Go to a hunk by its id. */
  async goTo(workspace: Workspace, turn: string, suggestion: Suggestion, sent: ReadonlyMap<string, string>, id: string): Promise<string> {
    if (this.shown?.suggestion !== suggestion) await this.prepare(workspace, turn, suggestion, sent);
    this.at = this.steps().findIndex((step) => step.hunk?.id === id);
    return this.go(this.steps()[this.at]);
  }

  /** The file, and the hunk in it, at the cursor of the diff editor or of a file that the suggestion is about. */
  here(suggestion: Suggestion): { file: FileChange; hunk: Hunk | undefined } | undefined {
    const editor = vscode.window.activeTextEditor;
    if (editor === undefined || this.shown?.suggestion !== suggestion) return undefined;
    const { document, selection } = editor;
    const proposed = document.uri.scheme === PROPOSED;
    const file = suggestion.proposed.files.find((one) => this.names(one, document.uri));
    const line = selection.active.line;
    const hunk = proposed ? hunkAt(file?.hunks ?? [], line) : file?.hunks?.find((one) => one.start <= line && line < Math.max(one.end, one.start + 1));
    return file && { file, hunk };
  }

  private names(file: FileChange, uri: vscode.Uri): boolean {
    if (this.shown === undefined) return false;
    const { workspace, turn } = this.shown;
    const own = [this.side(BASE, turn, file.path), this.side(PROPOSED, turn, after(file)), this.workspaces.uri(workspace, file.path)];
    return own.some((one) => one.toString() === uri.toString());
  }

  private steps(): Step[] {
    const files = this.shown?.suggestion.proposed.files ?? [];
    return files.flatMap((file): Step[] => (file.hunks?.length ? file.hunks.map((hunk) => ({ file, hunk })) : [{ file, hunk: undefined }]));
  }

  private async go(step: Step | undefined): Promise<string> {
    if (step === undefined || this.shown === undefined) return "There is no change to go to.";
    const { workspace, turn, suggestion } = this.shown;
    const { file, hunk } = step;
    const written = hunk ? suggestion.decided[hunk.id] === "accepted" : suggestion.whole === "accepted";
    const virtual = (file.kind === "create" && !written) || (file.kind === "delete" && written);
    const uri = virtual ? this.side(file.kind === "create" ? PROPOSED : BASE, turn, file.path) : this.workspaces.uri(workspace, written ? after(file) : file.path);
    const line = (written ? hunk?.new_start : hunk?.start) ?? 0;
    const editor = await vscode.window.showTextDocument(uri, { preview: true });
    const last = Math.min(line, editor.document.lineCount - 1);
    editor.selection = new vscode.Selection(last, 0, last, 0);
    editor.revealRange(editor.selection, vscode.TextEditorRevealType.InCenter);
    const steps = this.steps();
    return `Change ${this.at + 1} of ${steps.length}: ${after(file)}, line ${last + 1}`;
  }

  private side(scheme: string, turn: string, path: string): vscode.Uri {
    return vscode.Uri.from({ scheme, path: `/${turn}/${path}` });
  }

  /** Find both sides of each file: the text that was asked about is in the editor, or was sent with the request. */
  private async prepare(workspace: Workspace, turn: string, suggestion: Suggestion, sent: ReadonlyMap<string, string>): Promise<void> {
    const sides = new Map<string, { base: string; proposed: string }>();
    const there = new Map((await present(this.workspaces, workspace, suggestion.proposed.files.map((file) => file.path))).map((one) => [one.path, one.text]));
    for (const file of suggestion.proposed.files) {
      const texts = [there.get(file.path), sent.get(file.path)];
      const known = file.base_sha256 === null ? "" : texts.find((one) => one !== undefined && sha256(one) === file.base_sha256);
      const hunks = file.hunks ?? [];
      // the whole text is gone: the lines of the hunks are what there is to show
      const base = known ?? hunks.map((hunk) => hunk.old).join("");
      const proposed = known === undefined ? hunks.map((hunk) => hunk.new).join("") : spliced(known, hunks);
      sides.set(`${turn}/${file.path}`, { base, proposed });
      sides.set(`${turn}/${after(file)}`, { base, proposed });
    }
    this.shown = { workspace, turn, suggestion, sides };
    this.at = -1;
  }
}
