// Turns from their begin to the text on the disk, in a stand-in for the editor, against what a sidecar would answer.
import "./editor.mjs";
import assert from "node:assert/strict";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import * as path from "node:path";
import { test } from "node:test";
import { setImmediate } from "node:timers/promises";
import * as vscode from "vscode";
import { Faulty, type Sidecar } from "../src/connection.js";
import { Conversation, open } from "../src/conversation.js";
import type { FileText, Requests } from "../src/protocol.js";
import type { Review } from "../src/review.js";
import { sha256 } from "../src/texts.js";
import { Turns } from "../src/turns.js";
import { Workspaces } from "../src/workspaces.js";

interface Document { uri: vscode.Uri; text: string; isDirty: boolean }
interface Editor {
  documents: Document[]; active: unknown; folder: string; saving: "works" | "fails" | "formats"; applying: "works" | "fails" | "half";
  warnings: string[];
}
const { editor } = vscode as unknown as { editor: Editor };
const HUNK = { id: "1", start: 0, end: 1, old: "old\n", new: "new\n", new_start: 0 };
const TOP = { line: 0, character: 0 };
const LOST = { code: "sidecar-restarted", message: "It is gone.", way_out: "ask again" };

/** A folder with `a.ml`, and a sidecar that suggests a change of it and hands over `files`. */
function begun(files: Partial<FileText>[] = [{}]) {
  const folder = mkdtempSync(path.join(tmpdir(), "greenloop-"));
  writeFileSync(path.join(folder, "a.ml"), "old\n");
  Object.assign(editor, { documents: [], active: undefined, folder, saving: "works", applying: "works", warnings: [] });
  const told: [method: string, params: Record<string, unknown>][] = [];
  const file: FileText = { path: "a.ml", base_sha256: sha256("old\n"), text: "new\n", hunks: [HUNK], executable: false };
  const answers: Record<string, () => unknown> = {
    "workspace/open": () => ({ workspace: "w", root: folder, trusted: true, toolchain: "" }),
    "turn/start": () => ({ turn: "t", conversation: "c" }),
    "suggestion/accept": () =>
      ({ acceptance: "x", files: files.map((one) => ({ ...file, ...one })), badge: "builds", label: "builds", problems: [], rebased: false }),
  };
  const sidecar = {
    request: async (method: keyof Requests, params: object) => {
      told.push([method, params as Record<string, unknown>]);
      return answers[method]?.() ?? {};
    },
  } as unknown as Sidecar;
  const conversation = new Conversation(() => undefined);
  const turns = new Turns(sidecar, new Workspaces(sidecar, () => undefined), conversation, {} as Review);
  const of = (method: keyof Requests) => told.filter(([name]) => name === method).map(([, params]) => params);
  const at = (name: string) => path.join(folder, name);
  return { turns, conversation, answers, of, at };
}

async function suggested(files?: Partial<FileText>[]) {
  const made = begun(files);
  await made.turns.start({ kind: "ask", prompt: "rename it", whole: true });
  made.conversation.news("turn/candidate", {
    turn: "t", rank: 0,
    suggestion: {
      id: "s", files: [{ path: "a.ml", kind: "change", new_path: null, hunks: [HUNK], base_sha256: sha256("old\n") }], diff: "",
      badge: "builds", label: "builds", problems: [], flags: [], fixed: false, source: "", repaired: 0,
    },
  });
  const found = made.conversation.current();
  assert(found);
  return { ...made, found };
}

const mode = (file: string): string => (statSync(file).mode & 0o777).toString(8);

test("what cannot be written is told, and stays open", async () => {
  const { turns, found, of, at } = await suggested();
  editor.applying = "fails";
  await turns.accept(found, null);
  assert.deepEqual(of("suggestion/applied").map((one) => one["applied"]), [false]);
  assert.match(String(of("suggestion/applied")[0]?.["note"]), /the extension host is gone/);
  assert.deepEqual([readFileSync(at("a.ml"), "utf8"), open(found.suggestion)], ["old\n", ["1"]]);
  editor.applying = "works";
  await turns.accept(found, null);
  assert.deepEqual([readFileSync(at("a.ml"), "utf8"), open(found.suggestion)], ["new\n", []]);
});

test("what VS Code has done of a step that fails is taken back", async () => {
  const { turns, found, of, at } = await suggested([
    {},
    { path: "run.sh", base_sha256: sha256("true\n"), text: null, hunks: [] },
    { path: "go.sh", base_sha256: null, text: "true\n", hunks: [], executable: true },
  ]);
  writeFileSync(at("run.sh"), "true\n");
  chmodSync(at("run.sh"), 0o755);
  editor.applying = "half";
  await turns.accept(found, null);
  assert.deepEqual(of("suggestion/applied").map((one) => one["applied"]), [false]);
  assert.deepEqual([readFileSync(at("a.ml"), "utf8"), readFileSync(at("run.sh"), "utf8"), existsSync(at("go.sh"))], ["old\n", "true\n", false]);
  assert.equal(statSync(at("run.sh")).mode & 0o100, 0o100);
  assert.deepEqual([editor.documents.filter((one) => one.isDirty), open(found.suggestion)], [[], ["1"]]);
  await turns.accept(found, null);
  assert.deepEqual([readFileSync(at("a.ml"), "utf8"), existsSync(at("run.sh")), existsSync(at("go.sh"))], ["new\n", false, true]);
});

test("what is written stays accepted when the sidecar is gone before it is told, and can be taken back", async () => {
  const { turns, found, answers, at } = await suggested();
  answers["suggestion/applied"] = () => {
    throw new Faulty(LOST);
  };
  await turns.accept(found, null);
  assert.match(found.turn.notes.join(), /It is gone/);
  assert.deepEqual([readFileSync(at("a.ml"), "utf8"), open(found.suggestion)], ["new\n", []]);
  await turns.undo();
  assert.deepEqual([readFileSync(at("a.ml"), "utf8"), open(found.suggestion)], ["old\n", ["1"]]);
});

test("a binary file in the way is no end of the hunk", async () => {
  const { turns, found, of, at } = await suggested([{ path: "b.ml", base_sha256: null }]);
  writeFileSync(at("b.ml"), "\0");
  await turns.accept(found, null);
  assert.match(String(of("suggestion/applied")[0]?.["note"]), /binary/);
  assert.deepEqual(open(found.suggestion), ["1"]);
});

test("what is written counts as written when it cannot be saved, and can be taken back", async () => {
  const { turns, found, of } = await suggested();
  editor.saving = "fails";
  await turns.accept(found, null);
  assert.deepEqual(of("suggestion/applied").map((one) => one["applied"]), [true]);
  assert.deepEqual([editor.documents[0]?.text, editor.documents[0]?.isDirty], ["new\n", true]);
  assert.match(editor.warnings.join(), /the disk is full/);
  await turns.undo();
  assert.equal(editor.documents[0]?.text, "old\n");
});

test("text that was formatted as it was saved is said to be not what was judged", async () => {
  const { turns, found, at } = await suggested();
  editor.saving = "formats";
  await turns.accept(found, null);
  assert.equal(readFileSync(at("a.ml"), "utf8"), "NEW\n");
  assert.match(found.turn.notes.join(), /changed the text as it was saved/);
});

test("a script stays one when it is renamed, and when that is taken back", async () => {
  const { turns, found, at } = await suggested([
    { path: "run.sh", base_sha256: sha256("true\n"), text: null, hunks: [] },
    { path: "go.sh", base_sha256: null, text: "true\n", hunks: [], executable: true },
    { path: "plain", base_sha256: null, text: "", hunks: [] },
  ]);
  writeFileSync(at("run.sh"), "true\n");
  chmodSync(at("run.sh"), 0o755);
  const plain = (): string => mode(at("a.ml")); // as the umask has it
  await turns.accept(found, null);
  assert.deepEqual([existsSync(at("run.sh")), mode(at("plain"))], [false, plain()]);
  assert.equal(statSync(at("go.sh")).mode & 0o111, (statSync(at("plain")).mode & 0o444) >> 2);
  await turns.undo();
  assert.deepEqual([existsSync(at("go.sh")), statSync(at("run.sh")).mode & 0o100], [false, 0o100]);
  assert.deepEqual(editor.warnings, []);
});

test("the message of a commit is not sent", async () => {
  const { turns, of, at } = begun();
  mkdirSync(at(".git"));
  for (const name of [".git/COMMIT_EDITMSG", "a.ml"]) {
    writeFileSync(at(name), "");
    Object.assign(await vscode.workspace.openTextDocument(vscode.Uri.file(at(name))), { isDirty: true });
  }
  editor.active = { document: editor.documents[0], selection: { active: TOP, start: TOP, end: TOP } };
  await turns.start({ kind: "ask", prompt: "rename it", whole: false });
  assert.deepEqual(of("turn/start")[0]?.["buffers"], [{ path: "a.ml", text: "" }]);
  assert.equal(of("turn/start")[0]?.["place"], null);
});

test("cancelled before it has a name, a turn is cancelled when it gets it", async () => {
  const { turns, answers, of } = begun();
  let name = (_named: object): void => undefined;
  answers["turn/start"] = () => new Promise<object>((resolve) => (name = resolve));
  const starting = turns.start({ kind: "ask", prompt: "rename it", whole: true });
  while (of("turn/start").length === 0) await setImmediate();
  await turns.cancel();
  assert.deepEqual(of("turn/cancel"), []);
  name({ turn: "t", conversation: "c" });
  await starting;
  assert.deepEqual(of("turn/cancel"), [{ turn: "t" }]);
});

test("a connection that ends as a turn starts is told once", async () => {
  const { turns, conversation, answers } = begun();
  answers["turn/start"] = () => {
    turns.lost(LOST);
    throw new Faulty(LOST);
  };
  await turns.start({ kind: "ask", prompt: "rename it", whole: true });
  assert.deepEqual(conversation.turns().map((turn) => [turn.outcome, turn.notes]), [["failed", ["It is gone. (ask again)"]]]);
});

test("a request is repeated about the place that it was about, wherever that has moved and wherever the person is", async () => {
  const { turns, of, at } = begun();
  for (const name of ["a.ml", "b.ml"]) writeFileSync(at(name), "one\ntwo\nthree\n");
  const document = await vscode.workspace.openTextDocument(vscode.Uri.file(at("a.ml")));
  const start = { line: 1, character: 0 };
  const end = { line: 2, character: 3 };
  editor.active = { document, selection: { active: end, start, end } };
  await turns.start({ kind: "ask", prompt: "rename it", whole: false });
  Object.assign(document, { text: `new\n${document.getText()}` });
  turns.moved({ document, contentChanges: [{ rangeOffset: 0, rangeLength: 0, text: "new\n" }] } as unknown as vscode.TextDocumentChangeEvent);
  editor.active = { document: await vscode.workspace.openTextDocument(vscode.Uri.file(at("b.ml"))), selection: { active: TOP, start: TOP, end: TOP } };
  await turns.again();
  await turns.again();
  const place = (lines: number) => ({
    path: "a.ml", cursor: { line: 2 + lines, column: 3 }, selection: { start: { line: 1 + lines, column: 0 }, end: { line: 2 + lines, column: 3 } },
  });
  assert.deepEqual(of("turn/start").map((one) => one["place"]), [place(0), place(1), place(1)]);
});

test("a request that could not even begin can be repeated", async () => {
  const { turns, conversation, answers, of } = begun();
  const open = answers["workspace/open"];
  answers["workspace/open"] = () => {
    throw new Faulty(LOST);
  };
  await turns.start({ kind: "ask", prompt: "rename it", whole: true });
  answers["workspace/open"] = () => open?.();
  await turns.again();
  assert.deepEqual(of("turn/start").map((one) => one["prompt"]), ["rename it"]);
  assert.deepEqual(conversation.turns().map((turn) => [turn.words, turn.outcome]), [["rename it", "failed"], ["rename it", ""]]);
});

test("a rename is decided on by its path, singly and with what is left of the others", async () => {
  const { turns, conversation, found, of } = await suggested();
  found.suggestion.proposed.files.push({ path: "b.ml", kind: "rename", new_path: "c.ml", hunks: [], base_sha256: sha256("") });
  await turns.refuse(found, ["1"]);
  await turns.accept(found, null);
  assert.deepEqual([of("suggestion/refuse"), of("suggestion/accept")].map(([one]) => one?.["hunks"]), [["1"], ["b.ml"]]);
  assert.deepEqual(found.suggestion.decided, { "1": "refused", "b.ml": "accepted" });
  await turns.undo();
  assert.deepEqual(open(found.suggestion), ["b.ml"]);
  await turns.refuse(found, ["b.ml"]);
  assert.deepEqual(of("suggestion/refuse")[1]?.["hunks"], ["b.ml"]);
  assert.match(conversation.told, /Undone/);
  await turns.refuse(found, null);
  assert.match(conversation.told, /Nothing of this is open/);
});
