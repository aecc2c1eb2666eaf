// Writes what the sidecar has handed over, as one step, on the very text that it is for; and takes it back.
import * as vscode from "vscode";
import type { Handover, Hunk } from "./protocol.js";
import { inverse, replacements, sha256 } from "./texts.js";
import { diskText, type Workspace, type Workspaces } from "./workspaces.js";

/** A file before and after; `null`: there is none. */
interface Written { uri: vscode.Uri; before: string | null; after: string | null; hunks: Hunk[] }

/** What was accepted, and is there to be taken back. */
export interface Acceptance { name: string; turn: string; suggestion: string; hunks: string[]; files: Written[] }

/** The files of a suggestion as the editor has them now; a closed one is opened without being shown. */
export async function present(workspaces: Workspaces, workspace: Workspace, paths: readonly string[]): Promise<{ path: string; text: string }[]> {
  const found = [];
  for (const path of paths) {
    const text = await now(workspaces.uri(workspace, path));
    if (text !== null) found.push({ path, text });
  }
  return found;
}

/** Write a hand-over. Returns the files, or why nothing was written. */
export async function write(workspaces: Workspaces, workspace: Workspace, handover: Handover): Promise<Written[] | string> {
  const files: Written[] = [];
  for (const file of handover.files) {
    const uri = workspaces.uri(workspace, file.path);
    const before = await now(uri);
    if (file.base_sha256 !== (before === null ? null : sha256(before))) return `${file.path} has changed since the request, so nothing was written`;
    files.push({ uri, before, after: file.text, hunks: file.hunks });
  }
  return (await replace(files)) ? files : "the text changed while it was being written";
}

/** Take an acceptance back. Returns why not, if not. */
export async function takeBack(acceptance: Acceptance): Promise<string> {
  for (const file of acceptance.files) {
    if ((await now(file.uri)) !== file.after) {
      return `${vscode.workspace.asRelativePath(file.uri)} has changed since; undo that first`;
    }
  }
  const back = acceptance.files.map(({ uri, before, after, hunks }) => ({ uri, before: after, after: before, hunks: inverse(hunks) }));
  return (await replace(back)) ? "" : "the text changed while it was being written";
}

/** Whether all files are as before the acceptance: the editor's own undo does that, too. */
export async function isBack(acceptance: Acceptance): Promise<boolean> {
  for (const file of acceptance.files) if ((await now(file.uri)) !== file.before) return false;
  return true;
}

async function replace(files: readonly Written[]): Promise<boolean> {
  const edit = new vscode.WorkspaceEdit();
  const saved: vscode.Uri[] = [];
  for (const { uri, before, after, hunks } of files) {
    const document = before === null ? undefined : (await current(uri)).document;
    if (document && diskText(document) !== before) return false;
    if (after === null) edit.deleteFile(uri);
    else if (document === undefined) edit.createFile(uri, { contents: new TextEncoder().encode(after) });
    else {
      if (!document.isDirty) saved.push(uri);
      edit.set(uri, textEdits(document, before ?? "", after, hunks));
    }
  }
  if (!(await vscode.workspace.applyEdit(edit))) return false;
  // what was saved before is saved again; what had unsaved changes stays unsaved
  for (const uri of saved) await (await current(uri)).document?.save();
  return true;
}

function textEdits(document: vscode.TextDocument, before: string, after: string, hunks: readonly Hunk[]): vscode.TextEdit[] {
  const mark = before.startsWith("\ufeff") ? 1 : 0; // a byte order mark is in the file, not in the document
  const at = (offset: number): vscode.Position => document.positionAt(Math.max(offset - mark, 0));
  const parts = hunks.length ? replacements(before, hunks) : [{ start: 0, end: before.length, text: after }];
  return parts.map((one) => vscode.TextEdit.replace(new vscode.Range(at(one.start), at(one.end)), one.text.replace(/^\ufeff/, "")));
}

async function now(uri: vscode.Uri): Promise<string | null> {
  return (await current(uri)).text;
}

/** A file as it is now: its document where there is one, or can be; `text` is `null` where there is no file. */
async function current(uri: vscode.Uri): Promise<{ document: vscode.TextDocument | undefined; text: string | null }> {
  const bytes = await vscode.workspace.fs.readFile(uri).then((read) => read, () => undefined);
  const known = vscode.workspace.textDocuments.find((one) => one.uri.toString() === uri.toString());
  if (known?.isDirty) return { document: known, text: diskText(known) };
  if (bytes === undefined) return { document: undefined, text: null };
  const document = known ?? (await vscode.workspace.openTextDocument(uri));
  const text = diskText(document);
  if (!document.encoding.startsWith("utf8")) return { document, text };
  // a document that nobody typed in may lag behind the disk: then the disk is what counts. Mixed line ends are VS Code's to even out
  const disk = new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
  return { document, text: disk.replaceAll("\r\n", "\n") === text.replaceAll("\r\n", "\n") ? text : disk };
}
