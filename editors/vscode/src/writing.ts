// Writes what the sidecar has handed over, as one step, on the very text that it is for; and takes it back.
import { chmod, stat } from "node:fs/promises";
import * as vscode from "vscode";
import { faultOf, plain } from "./connection.js";
import type { Handover, Hunk } from "./protocol.js";
import { inverse, replacements, sha256 } from "./texts.js";
import { diskText, type Workspace, type Workspaces } from "./workspaces.js";

/** A file before and after; `null`: there is none. `executable`: what it has to be where it is made anew. */
interface Written { uri: vscode.Uri; before: string | null; after: string | null; hunks: Hunk[]; executable: boolean }

/** What was accepted, and is there to be taken back. */
export interface Acceptance { name: string; turn: string; suggestion: string; hunks: string[]; files: Written[] }

/** The files of a suggestion as the editor has them now; a closed one is opened without being shown. */
export async function present(workspaces: Workspaces, workspace: Workspace, paths: readonly string[]): Promise<{ path: string; text: string }[]> {
  const found = await Promise.all(paths.map(async (path) => ({ path, text: await now(workspaces.uri(workspace, path)) })));
  return found.filter((one): one is { path: string; text: string } => one.text !== null);
}

/** Write a hand-over. Returns the files, or why nothing was written; throws what VS Code throws. */
export async function write(workspaces: Workspaces, workspace: Workspace, handover: Handover): Promise<Written[] | string> {
  const files: Written[] = [];
  for (const file of handover.files) {
    const uri = workspaces.uri(workspace, file.path);
    const before = await now(uri);
    if (file.base_sha256 !== (before === null ? null : sha256(before))) return `${file.path} has changed since the request, so nothing was written`;
    const executable = file.text === null ? (await stat(uri.fsPath).then(({ mode }) => mode & 0o100, () => 0)) > 0 : file.executable;
    files.push({ uri, before, after: file.text, hunks: file.hunks, executable });
  }
  return (await replace(files)) ? files : "the text changed while it was being written";
}

/** Take an acceptance back. Returns why not, if not. */
export async function takeBack(acceptance: Acceptance): Promise<string> {
  for (const { uri, after } of acceptance.files) {
    if ((await now(uri)) !== after) return `${vscode.workspace.asRelativePath(uri)} has changed since; undo that first`;
  }
  return (await replace(back(acceptance.files))) ? "" : "the text changed while it was being written";
}

/** Whether all files are as before the acceptance: the editor's own undo does that, too, but it makes no programs. */
export async function isBack({ files }: Acceptance): Promise<boolean> {
  if (!(await areNow(files, "before"))) return false;
  await settle(makePrograms(back(files)));
  return true;
}

/** Whether all files are as before or after the acceptance. */
export async function areNow(files: readonly Written[], side: "before" | "after"): Promise<boolean> {
  for (const file of files) if ((await now(file.uri)) !== file[side]) return false;
  return true;
}

const back = (files: readonly Written[]): Written[] =>
  files.map((file) => ({ ...file, before: file.after, after: file.before, hunks: inverse(file.hunks) }));

/** One step. VS Code may fail in the middle of it: then the part that it has done is taken back. */
async function replace(files: readonly Written[]): Promise<boolean> {
  let done = false;
  try {
    return (done = await step(files));
  } finally {
    const part: Written[] = [];
    const isDone = (file: Written): Promise<boolean> => areNow([file], "after").catch(() => false); // what cannot be read is not ours
    for (const file of done ? [] : files) if (file.before !== file.after && (await isDone(file))) part.push(file);
    if (part.length && !(await step(back(part)))) throw new Error(`a part was written and cannot be taken back, look at ${part.map((one) => one.uri.fsPath).join(", ")}`);
  }
}

async function step(files: readonly Written[]): Promise<boolean> {
  const edit = new vscode.WorkspaceEdit();
  const saved: vscode.Uri[] = [];
  // files come and go before text changes: that is what can fail in the middle
  for (const { uri, before, after, hunks } of [...files].sort((a, b) => Number(stays(a)) - Number(stays(b)))) {
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
  await settle([...saved.map(async (uri) => (await current(uri)).document?.save()), ...makePrograms(files)]);
  return true;
}

const stays = ({ before, after }: Written): boolean => before !== null && after !== null;

/** VS Code makes plain files: whoever may read a program may run it, too. */
function makePrograms(files: readonly Written[]): Promise<void>[] {
  const made = files.filter((file) => file.before === null && file.executable).map((file) => file.uri.fsPath);
  return made.map(async (path) => chmod(path, await stat(path).then(({ mode }) => mode | ((mode & 0o444) >> 2))));
}

/** Wait for what follows a step. The text stands whatever comes of it, so what fails is told and no more. */
async function settle(rest: readonly Promise<unknown>[]): Promise<void> {
  for (const one of await Promise.allSettled(rest)) {
    if (one.status === "rejected") void vscode.window.showWarningMessage(plain(`Greenloop: it is written, but ${faultOf(one.reason).message}`));
  }
}

function textEdits(document: vscode.TextDocument, before: string, after: string, hunks: readonly Hunk[]): vscode.TextEdit[] {
  const mark = before.startsWith("\ufeff") ? 1 : 0; // a byte order mark is in the file, not in the document
  const at = (offset: number): vscode.Position => document.positionAt(Math.max(offset - mark, 0));
  const parts = hunks.length ? replacements(before, hunks) : [{ start: 0, end: before.length, text: after }];
  return parts.map((one) => vscode.TextEdit.replace(new vscode.Range(at(one.start), at(one.end)), one.text.replace(/^\ufeff/, "")));
}

const now = async (uri: vscode.Uri): Promise<string | null> => (await current(uri)).text;

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
