// Greenloop in VS Code: renders and forwards. No prompts, no model names, no matching of diffs, no HTTP.
import * as vscode from "vscode";
import { faultOf, type Listener, plain, Sidecar } from "./connection.js";
import { Conversation, type Doing, idsOf, type Shown, tell } from "./conversation.js";
import type { News } from "./protocol.js";
import { Review } from "./review.js";
import { fixes, StatusBar } from "./status.js";
import { approve, runTool } from "./tools.js";
import { Turns } from "./turns.js";
import { View } from "./view.js";
import { type Workspace, Workspaces } from "./workspaces.js";

export function activate(context: vscode.ExtensionContext): void {
  const greenloop = new Greenloop(context);
  context.subscriptions.push(...greenloop.register());
  void greenloop.begin();
}

const command = (): string[] => vscode.workspace.getConfiguration("greenloop").get<string[]>("command", ["greenloop"]);

class Greenloop implements Listener {
  private readonly conversation = new Conversation(() => this.changed());
  private readonly sidecar = new Sidecar(command, (this.context.extension.packageJSON as { version: string }).version, this);
  private readonly workspaces = new Workspaces(this.sidecar, () => this.changed());
  private readonly review = new Review(this.workspaces);
  private readonly turns = new Turns(this.sidecar, this.workspaces, this.conversation, this.review);
  private readonly view = new View(this.context.extensionUri, this.conversation, () => this.banner(), (doing) => void this.guard(() => this.act(doing)));
  private readonly status = new StatusBar(this.workspaces, this.conversation);
  /** Ends of connections in a row, without an answer between. */
  private losses = 0;

  constructor(private readonly context: vscode.ExtensionContext) {}

  /** Follow the workspace at once where there is something to build. */
  async begin(): Promise<void> {
    if (!vscode.workspace.isTrusted || !vscode.workspace.getConfiguration("greenloop").get<boolean>("startOnOpen", true)) return;
    const found = await vscode.workspace.findFiles("{greenloop.toml,dune-project,*/greenloop.toml,*/dune-project}", undefined, 1);
    if (found.length) await this.guard(() => this.follow());
  }

  register(): vscode.Disposable[] {
    const on = (name: string, run: (...given: never[]) => unknown): vscode.Disposable =>
      vscode.commands.registerCommand(`greenloop.${name}`, (...given: never[]) => this.guard(async () => void (await run(...given))));
    const current = <T>(run: (found: NonNullable<ReturnType<Conversation["current"]>>) => T): T | undefined => {
      const found = this.conversation.current();
      if (found === undefined) this.turns.told("There is no suggestion.");
      return found && run(found);
    };
    const decide = (decision: "accept" | "refuse", what: "hunk" | "file") => (): unknown => current((found) => {
      const here = this.review.here(found.suggestion);
      const ids = what === "file" || here?.file.hunks.length === 0 ? here && idsOf(here.file) : here?.hunk && [here.hunk.id];
      return ids ? this.turns[decision](found, ids) : this.turns.told("There is no change of the suggestion at the cursor.");
    });
    return [
      this.status, this.sidecar,
      on("ask", () => this.askFor(false)),
      on("askProject", () => this.askFor(true)),
      on("fix", (uri?: vscode.Uri, at?: vscode.Diagnostic) => this.fix(uri, at)),
      on("again", () => this.turns.again()),
      on("cancel", () => this.turns.cancel()),
      on("review", () => current((found) => this.turns.show(found))),
      on("accept", () => current((found) => this.turns.accept(found, null))),
      on("refuse", () => current((found) => this.turns.refuse(found, null))),
      on("acceptHunk", decide("accept", "hunk")),
      on("refuseHunk", decide("refuse", "hunk")),
      on("acceptFile", decide("accept", "file")),
      on("refuseFile", decide("refuse", "file")),
      on("undo", () => this.turns.undo()),
      on("nextChange", () => current((found) => this.turns.go(found, 1))),
      on("previousChange", () => current((found) => this.turns.go(found, -1))),
      on("tool", async () => runTool(this.sidecar, await this.workspaces.of(), this.conversation)),
      on("newConversation", () => this.conversation.show("", [])),
      on("history", () => this.history()),
      on("trust", () => this.trust()),
      on("reveal", () => this.view.reveal()),
      ...this.review.register(),
      ...fixes(this.status),
      vscode.window.registerWebviewViewProvider("greenloop.chat", this.view),
      vscode.workspace.onDidSaveTextDocument((document) => this.saved(document.uri)),
      vscode.workspace.onDidChangeTextDocument((event) => this.turns.moved(event)),
      vscode.workspace.onDidChangeTextDocument(({ reason }) => reason === vscode.TextDocumentChangeReason.Undo && void this.guard(() => this.turns.noticeUndo())),
      vscode.workspace.onDidDeleteFiles(() => void this.guard(() => this.turns.noticeUndo())),
      vscode.workspace.onDidChangeConfiguration((event) => event.affectsConfiguration("greenloop") && this.changed()),
      vscode.workspace.onDidGrantWorkspaceTrust(() => void this.begin().then(() => this.changed())),
    ];
  }

  news<K extends keyof News>(method: K, params: News[K]): void {
    this.losses = 0;
    if (method === "status/changed") this.workspaces.status(params as News["status/changed"]);
    else this.conversation.news(method, params);
  }

  approve = approve;

  /** The bridge itself has ended: turns end, and the workspaces are followed again without a word. */
  lost(fault: Parameters<Turns["lost"]>[0]): void {
    this.turns.lost(fault);
    this.workspaces.clear();
    this.changed();
    this.losses += 1;
    if (this.losses <= 3) setTimeout(() => void this.follow().catch(() => undefined), 500 * this.losses);
  }

  private async follow(): Promise<void> {
    for (const folder of vscode.workspace.workspaceFolders ?? []) if (folder.uri.scheme === "file") await this.workspaces.open(folder.uri.fsPath);
  }

  private async askFor(whole: boolean): Promise<void> {
    const editor = this.workspaces.editor();
    const about = whole || !editor ? "the whole project" : editor.selection.isEmpty ? "the place of the cursor" : "the selection";
    const prompt = await vscode.window.showInputBox({ title: `Greenloop: ask for a change, about ${about}`, prompt: "What should change?" });
    if (prompt?.trim()) await this.turns.start({ kind: "ask", prompt, whole });
  }

  private async fix(uri?: vscode.Uri, at?: vscode.Diagnostic): Promise<void> {
    if (uri && at) {
      const editor = await vscode.window.showTextDocument(uri);
      editor.selection = new vscode.Selection(at.range.start, at.range.start);
    }
    await this.turns.start({ kind: "fix", prompt: "", whole: false, error: at?.message });
  }

  private async act(doing: Doing): Promise<void> {
    if (doing.do === "ask") return this.turns.start({ kind: "ask", prompt: doing.words, whole: doing.whole });
    if (doing.do === "banner") return void (await vscode.commands.executeCommand(this.banner()?.command ?? "greenloop.chat.focus"));
    if (!("turn" in doing)) return doing.do === "ready" ? undefined : void (await vscode.commands.executeCommand(`greenloop.${doing.do}`));
    const found = this.conversation.find(doing.turn, doing.suggestion);
    if (found === undefined) return;
    if (doing.do === "see" || doing.do === "show") return this.turns[doing.do](found);
    if (doing.do === "undo") return this.turns.undo();
    if (doing.do === "go") return this.turns.go(found, doing.hunk);
    if (doing.do === "accept" || doing.do === "refuse") return this.turns[doing.do](found, doing.hunks);
  }

  private async history(): Promise<void> {
    const workspace = await this.workspaces.of();
    const { conversations } = await this.sidecar.request("conversation/list", { workspace: workspace.state.workspace });
    const items = conversations.map((one) => ({ label: one.title, description: new Date(one.time * 1000).toLocaleString(), one }));
    const picked = await vscode.window.showQuickPick(items, { title: items.length ? "Greenloop: earlier conversations" : "There are no earlier conversations" });
    if (picked === undefined) return;
    const read = await this.sidecar.request("conversation/read", { conversation: picked.one.conversation });
    this.conversation.show(read.conversation, read.said);
    await vscode.commands.executeCommand("greenloop.chat.focus");
  }

  private async trust(): Promise<void> {
    const workspace = await this.workspaces.of();
    const detail = `${workspace.state.root}\n\nIts code, and code that models write, is then built and run, in a sandbox. Without trust nothing is, and suggestions are unverified.`;
    const yes = "Trust and Build";
    const answer = await vscode.window.showWarningMessage("Trust this workspace to be built?", { modal: true, detail }, yes);
    if (answer === yes) await this.workspaces.trust(workspace, true);
  }

  private banner(): Shown["banner"] {
    const restricted = { text: "Restricted Mode: Greenloop starts nothing here.", button: "Manage Trust", command: "workbench.trust.manage" };
    if (!vscode.workspace.isTrusted) return restricted;
    const untrusted = this.workspaces.all().some((one: Workspace) => !one.state.trusted);
    return untrusted ? { text: "This workspace is not trusted, so suggestions are not verified.", button: "Trust…", command: "greenloop.trust" } : null;
  }

  private saved(uri: vscode.Uri): void {
    for (const workspace of this.workspaces.all()) {
      const path = this.workspaces.relative(workspace, uri);
      if (path !== undefined) void this.sidecar.tell("file/saved", { workspace: workspace.state.workspace, path });
    }
  }

  private changed(): void {
    // news may come before everything stands
    this.view?.update();
    this.status?.show();
  }

  /** Run what the person asked for; say what went wrong, and the way out. */
  private async guard(run: () => Promise<unknown>): Promise<void> {
    if (!vscode.workspace.isTrusted) return void vscode.window.showWarningMessage("Greenloop starts nothing in Restricted Mode.");
    try {
      await run();
    } catch (error) {
      void vscode.window.showErrorMessage(plain(`Greenloop: ${tell(faultOf(error))}`));
    }
  }
}
