// The sidebar: shows the conversation, and forwards what the person does there. It is drawn by webview/main.ts.
import { randomBytes } from "node:crypto";
import * as vscode from "vscode";
import type { Conversation, Doing, Shown } from "./conversation.js";

export class View implements vscode.WebviewViewProvider {
  private view: vscode.WebviewView | undefined;
  private waiting: NodeJS.Timeout | undefined;

  constructor(
    private readonly extension: vscode.Uri, private readonly conversation: Conversation, private readonly banner: () => Shown["banner"], private readonly act: (doing: Doing) => void,
  ) {}

  resolveWebviewView(view: vscode.WebviewView): void {
    this.view = view;
    view.webview.options = { enableScripts: true, localResourceRoots: [this.extension] };
    view.webview.html = this.page(view.webview);
    view.webview.onDidReceiveMessage((doing: Doing) => (doing.do === "ready" ? this.send() : this.act(doing)));
    view.onDidDispose(() => (this.view = undefined));
  }

  /** Bring it to the front; the focus stays where it is. */
  async reveal(): Promise<void> {
    if (this.view) this.view.show(true);
    else await vscode.commands.executeCommand("greenloop.chat.focus");
  }

  /** Show what there is now; many changes at a time are shown at once. */
  update(): void {
    this.waiting ??= setTimeout(() => this.send(), 40);
  }

  private send(): void {
    this.waiting = undefined;
    const shown: Shown = { items: this.conversation.items, running: this.conversation.running().length > 0, banner: this.banner(), told: this.conversation.told };
    this.conversation.told = "";
    void this.view?.webview.postMessage(shown);
  }

  private page(webview: vscode.Webview): string {
    const nonce = randomBytes(16).toString("base64");
    const at = (...path: string[]): string => webview.asWebviewUri(vscode.Uri.joinPath(this.extension, ...path)).toString();
    return `<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src ${webview.cspSource}; script-src 'nonce-${nonce}';">
<link rel="stylesheet" href="${at("media", "view.css")}">
<title>Greenloop</title>
</head><body>
<div id="banner" role="status"></div>
<p id="told" role="status"></p>
<main id="log" role="log" aria-label="Conversation" aria-live="polite" tabindex="0"></main>
<form id="ask" aria-label="Ask for a change">
<label for="words">Ask for a change</label>
<textarea id="words" rows="3" placeholder="Enter sends, Shift+Enter begins a line"></textarea>
<div class="row">
<label><input type="checkbox" id="whole"> Whole project</label>
<button type="button" id="fix" class="quiet">Fix</button>
<button type="button" id="cancel" class="quiet" hidden>Cancel</button>
<button type="submit" id="send">Ask</button>
</div>
</form>
<script nonce="${nonce}" src="${at("dist", "webview.js")}"></script>
</body></html>`;
  }
}
