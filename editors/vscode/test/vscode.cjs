// What of VS Code's interface accepting needs, over real files: enough to ask what the person would find on the disk.
const fs = require("node:fs");

class Uri {
  constructor(path) {
    Object.assign(this, { scheme: "file", path, fsPath: path });
  }
  static file = (path) => new Uri(path);
  toString() {
    return `file://${this.path}`;
  }
}

class Range {
  constructor(start, end) {
    Object.assign(this, { start, end });
  }
}

class TextDocument {
  encoding = "utf8";
  isDirty = false;
  constructor(uri) {
    this.uri = uri;
    this.text = fs.readFileSync(uri.fsPath, "utf8");
    if (this.text.includes("\0")) throw new Error(`cannot open ${uri}: the file seems to be binary`);
  }
  getText() {
    return this.text;
  }
  positionAt(offset) {
    const before = this.text.slice(0, offset).split("\n");
    return { line: before.length - 1, character: before.at(-1).length };
  }
  offsetAt({ line, character }) {
    return this.text.split("\n").slice(0, line).join("\n").length + Math.min(line, 1) + character;
  }
  replace({ range, text }) {
    this.text = this.text.slice(0, this.offsetAt(range.start)) + text + this.text.slice(this.offsetAt(range.end));
    this.isDirty = true;
  }
  async save() {
    if (editor.saving === "fails") throw new Error("the disk is full");
    if (editor.saving === "formats") this.text = this.text.toUpperCase();
    fs.writeFileSync(this.uri.fsPath, this.text);
    this.isDirty = false;
    return true;
  }
}

class WorkspaceEdit {
  steps = [];
  createFile(uri, { contents }) {
    this.steps.push(() => fs.writeFileSync(uri.fsPath, contents, { mode: 0o644 }));
  }
  deleteFile(uri) {
    this.steps.push(() => {
      fs.rmSync(uri.fsPath);
      editor.documents = editor.documents.filter((one) => one.uri.fsPath !== uri.fsPath);
    });
  }
  set(uri, edits) {
    // from the end, so that the places of the others stay
    this.steps.push(async () => [...edits].reverse().forEach((edit) => find(uri).replace(edit)));
  }
}

/** What a test sets up, and what the person was shown. */
const editor = { documents: [], active: undefined, folder: "", saving: "works", applying: "works", warnings: [] };
const find = (uri) => editor.documents.find((one) => one.uri.fsPath === uri.fsPath);
const shown = async (text) => void editor.warnings.push(text);

module.exports = {
  editor, Uri, Range, WorkspaceEdit,
  DiagnosticSeverity: { Error: 0, Warning: 1 },
  TextEdit: { replace: (range, text) => ({ range, text }) },
  commands: { executeCommand: async () => undefined },
  languages: { getDiagnostics: () => [] },
  window: {
    visibleTextEditors: [], get activeTextEditor() { return editor.active; }, setStatusBarMessage: () => undefined,
    showWarningMessage: shown,
  },
  workspace: {
    fs: { readFile: async (uri) => fs.readFileSync(uri.fsPath) },
    get textDocuments() { return editor.documents; },
    get workspaceFolders() { return [{ uri: Uri.file(editor.folder) }]; },
    getWorkspaceFolder: () => ({ uri: Uri.file(editor.folder) }),
    asRelativePath: (uri) => uri.fsPath,
    async openTextDocument(uri) {
      if (!find(uri)) editor.documents.push(new TextDocument(uri));
      return find(uri);
    },
    async applyEdit(edit) {
      if (editor.applying === "fails") throw new Error("the extension host is gone");
      for (const step of edit.steps) {
        await step();
        if (editor.applying === "half") {
          editor.applying = "works"; // what comes next, such as taking the half back
          return false;
        }
      }
      return true;
    },
  },
};
