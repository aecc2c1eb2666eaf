// The suggestion in the built-in multi-file diff editor, and walking over its changes.
import * as vscode from "vscode";
import { after, type Suggestion } from "./conversation.js";
import type { FileChange, Hunk } from "./protocol.js";
import { hunkAt, sha256, spliced } from "./texts.js";
import { present } from "./writing.js";
import type { Workspace, Workspaces } from "./workspaces.js";

const BASE = "greenloop-base";
const PROPOSED = "greenloop-proposed";

/** What is looked at; `sent`: the texts that the request was made from. */
export interface Subject { workspace: Workspace; turn: string; suggestion: Suggestion; sent: ReadonlyMap<string, string> }

/** A change: a file and a hunk in it; a plain rename has none. */
interface Step { file: FileChange; hunk: Hunk | undefined }

export class Review implements vscode.TextDocumentContentProvider {
  private subject: Subject | undefined;
  private sides = new Map<string, { base: string; proposed: string }>();
  private at = -1;

  constructor(private readonly workspaces: Workspaces) {}

  register(): vscode.Disposable[] {
    return [BASE, PROPOSED].map((scheme) => vscode.workspace.registerTextDocumentContentProvider(scheme, this));
  }

  provideTextDocumentContent(uri: vscode.Uri): string {
    const side = this.sides.get(uri.query + uri.path);
    return (uri.scheme === BASE ? side?.base : side?.proposed) ?? "";
  }

  /** Show a suggestion's files side by side. */
  async show(subject: Subject): Promise<void> {
    await this.prepare(subject);
    const { workspace, suggestion } = subject;
    const files = suggestion.proposed.files.map((file) => [
      this.workspaces.uri(workspace, after(file)),
      file.kind === "create" ? undefined : this.side(BASE, file.path),
      file.kind === "delete" ? undefined : this.side(PROPOSED, after(file)),
    ]);
    await vscode.commands.executeCommand("vscode.changes", `Greenloop: ${suggestion.label}`, files);
  }

  /** Go to the next change (`1`), the previous one (`-1`), or that of a hunk's name: in the files themselves, and in the proposed text where there is no file. Returns where that is. */
  async go(subject: Subject, to: 1 | -1 | string): Promise<string> {
    if (this.subject?.suggestion !== subject.suggestion) await this.prepare(subject);
    const { workspace, suggestion } = subject;
    const steps = suggestion.proposed.files.flatMap((file): Step[] =>
      file.hunks.length ? file.hunks.map((hunk) => ({ file, hunk })) : [{ file, hunk: undefined }]);
    if (typeof to === "string") this.at = steps.findIndex((step) => step.hunk?.id === to);
    else this.at = this.at < 0 && to < 0 ? steps.length - 1 : (this.at + to + steps.length) % steps.length;
    const step = steps[this.at];
    if (step === undefined) return "There is no change to go to.";
    const { file, hunk } = step;
    const written = suggestion.decided[hunk?.id ?? file.path] === "accepted";
    const gone = file.kind === "delete" && written;
    const uri = gone || (file.kind === "create" && !written)
      ? this.side(gone ? BASE : PROPOSED, file.path) : this.workspaces.uri(workspace, written ? after(file) : file.path);
    const editor = await vscode.window.showTextDocument(uri, { preview: true });
    const line = Math.min((written && !gone ? hunk?.new_start : hunk?.start) ?? 0, editor.document.lineCount - 1);
    editor.selection = new vscode.Selection(line, 0, line, 0);
    editor.revealRange(editor.selection, vscode.TextEditorRevealType.InCenter);
    return `Change ${this.at + 1} of ${steps.length}: ${after(file)}, line ${line + 1}`;
  }

  /** The file, and the hunk in it, at the cursor of the diff editor or of a file that the suggestion is about. */
  here(suggestion: Suggestion): Step | undefined {
    const { document, selection } = vscode.window.activeTextEditor ?? {};
    if (document === undefined || selection === undefined || this.subject?.suggestion !== suggestion) return undefined;
    const { workspace } = this.subject;
    const own = (file: FileChange): vscode.Uri[] =>
      [this.side(BASE, file.path), this.side(PROPOSED, after(file)), this.workspaces.uri(workspace, file.path)];
    const file = suggestion.proposed.files.find((one) => own(one).some((uri) => uri.toString() === document.uri.toString()));
    const line = selection.active.line;
    const atBase = (one: Hunk): boolean => one.start <= line && line < Math.max(one.end, one.start + 1);
    return file && { file, hunk: document.uri.scheme === PROPOSED ? hunkAt(file.hunks, line) : file.hunks.find(atBase) };
  }

  private side(scheme: string, path: string): vscode.Uri {
    return vscode.Uri.from({ scheme, path: `/${path}`, query: `${this.subject?.turn}.${this.subject?.suggestion.proposed.id}` });
  }

  /** Find both sides of each file: the text that was asked about is in the editor, or was sent with the request. */
  private async prepare(subject: Subject): Promise<void> {
    const { workspace, suggestion, sent } = subject;
    this.subject = subject;
    this.at = -1;
    const there = await present(this.workspaces, workspace, suggestion.proposed.files.map((file) => file.path));
    for (const file of suggestion.proposed.files) {
      const texts = [there.find((one) => one.path === file.path)?.text, sent.get(file.path)];
      const base = file.base_sha256 === null ? "" : texts.find((one) => one !== undefined && sha256(one) === file.base_sha256);
      // where the whole text is gone, the lines of the hunks are what there is to show
      const both = base === undefined
        ? { base: file.hunks.map((hunk) => hunk.old).join(""), proposed: file.hunks.map((hunk) => hunk.new).join("") }
        : { base, proposed: spliced(base, file.hunks) };
      for (const path of [file.path, after(file)]) this.sides.set(`${this.side(BASE, path).query}/${path}`, both);
    }
  }
}
