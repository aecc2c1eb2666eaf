// Turns: begun with what the person sees, decided on hunk by hunk, written, taken back, and asked again.
import * as vscode from "vscode";
import { Faulty, faultOf, plain, type Sidecar } from "./connection.js";
import { after, type Conversation, open, type Suggestion, tell, type Turn } from "./conversation.js";
import type { Review, Subject } from "./review.js";
import { moved } from "./texts.js";
import type { Spot, Workspace, Workspaces } from "./workspaces.js";
import { type Acceptance, areNow, isBack, present, takeBack, write } from "./writing.js";

/** What is asked for. `error`: the message of the error to fix; `spot`: where, if not where the person is. */
export interface Wish { kind: "ask" | "fix"; prompt: string; whole: boolean; error?: string | undefined; spot?: Spot }

/** What a turn was begun with. */
interface Begun { wish: Wish & { spot: Spot }; workspace?: Workspace; sent: ReadonlyMap<string, string> }

type Found = { turn: Turn; suggestion: Suggestion };

export class Turns {
  private readonly begun = new Map<Turn, Begun>();
  private readonly shown = new Set<Suggestion>();
  private acceptances: Acceptance[] = [];
  private deciding: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly sidecar: Sidecar, private readonly workspaces: Workspaces, private readonly conversation: Conversation, private readonly review: Review,
  ) {}

  async start(wish: Wish): Promise<void> {
    const turn = this.conversation.begin(wish.prompt || "Fix the error");
    const spot = { ...(wish.spot ?? this.workspaces.spot()) }; // each request has its own: they move
    const begun: Begun = { wish: { ...wish, spot }, sent: new Map() };
    this.begun.set(turn, begun);
    await vscode.commands.executeCommand("greenloop.reveal");
    try {
      const workspace = await this.workspaces.of(spot.uri);
      const buffers = this.workspaces.unsaved(workspace);
      const place = await this.workspaces.place(workspace, spot);
      const known = place ? await present(this.workspaces, workspace, [place.path]) : [];
      Object.assign(begun, { workspace, sent: new Map([...known, ...buffers].map((one) => [one.path, one.text ?? ""])) });
      const started = await this.sidecar.request("turn/start", {
        workspace: workspace.state.workspace, kind: wish.kind, prompt: wish.prompt, place, whole_project: wish.whole, buffers,
        seen: this.workspaces.seen(workspace, place, wish.error), conversation: this.conversation.id,
      });
      turn.turn = started.turn;
      this.conversation.id = started.conversation;
      if (turn.unwanted) await this.sidecar.request("turn/cancel", { turn: turn.turn });
    } catch (error) {
      this.conversation.fail(turn, faultOf(error));
    }
  }

  /** Ask the newest request again: about the same place, on the text as it is now. */
  async again(): Promise<void> {
    const last = this.conversation.turns().at(-1);
    const begun = last && this.begun.get(last);
    if (begun) await this.start(begun.wish);
    else this.told("There is no request to repeat.");
  }

  /** Text has changed: the places of requests move along. */
  moved({ document, contentChanges }: vscode.TextDocumentChangeEvent): void {
    for (const { wish: { spot } } of this.begun.values())
      if (spot.uri?.toString() === document.uri.toString()) for (const change of contentChanges) spot.at = spot.at.map((one) => moved(one, change));
  }

  async cancel(): Promise<void> {
    for (const turn of this.conversation.running()) {
      turn.unwanted = true;
      if (turn.turn) await this.sidecar.request("turn/cancel", { turn: turn.turn });
    }
  }

  /** The connection ended, and every turn in flight with it. */
  lost(fault: Parameters<Conversation["fail"]>[1]): void {
    for (const turn of this.conversation.running()) this.conversation.fail(turn, { ...fault, way_out: fault.way_out || "ask again" });
  }

  /** The person has a suggestion before the eyes. */
  async see(found: Found): Promise<void> {
    if (this.shown.has(found.suggestion)) return;
    this.shown.add(found.suggestion);
    await this.sidecar.request("suggestion/shown", { turn: found.turn.turn, suggestion: found.suggestion.proposed.id });
  }

  async show(found: Found): Promise<void> {
    await this.review.show(this.subject(found));
    await this.see(found);
  }

  /** Go to the next change, the previous one, or a hunk. */
  async go(found: Found, to: 1 | -1 | string): Promise<void> {
    this.told(await this.review.go(this.subject(found), to));
  }

  /** Accept changes; `null`: all that are open. */
  accept(found: Found, hunks: readonly string[] | null): Promise<void> {
    return this.inTurn(() => this.take(found, hunks));
  }

  async refuse(found: Found, hunks: readonly string[] | null): Promise<void> {
    const named = open(found.suggestion, hunks);
    if (named.length === 0) return this.told("Nothing of this is open any more.");
    await this.see(found); // nobody decides on what is not before the eyes
    await this.sidecar.request("suggestion/refuse", { turn: found.turn.turn, suggestion: found.suggestion.proposed.id, hunks: named });
    this.conversation.decide(found.suggestion, named, "refused");
  }

  /** Take the newest acceptance back, in one step. */
  undo(): Promise<void> {
    return this.inTurn(async () => {
      const last = this.acceptances.at(-1);
      if (last === undefined) return this.told("There is nothing to undo.");
      const why = await takeBack(last);
      if (why) void vscode.window.showWarningMessage(plain(`Nothing was undone: ${why}.`));
      else await this.undone(last);
    });
  }

  /** The person may have used the editor's own undo. */
  noticeUndo(): Promise<void> {
    return this.inTurn(async () => {
      for (const one of this.acceptances) if (await isBack(one)) await this.undone(one);
    });
  }

  /** Say something that is no more than news. */
  told(text: string): void {
    vscode.window.setStatusBarMessage(`Greenloop: ${text}`, 5000);
    this.conversation.tell(text);
  }

  /** One thing after another, so that each stands on the text of the one before. */
  private inTurn(run: () => Promise<void>): Promise<void> {
    const next = this.deciding.then(run);
    this.deciding = next.catch(() => undefined);
    return next;
  }

  private subject({ turn, suggestion }: Found): Subject {
    const begun = this.begun.get(turn);
    if (begun?.workspace === undefined) throw new Error("The request of this suggestion is not known any more: ask again.");
    return { workspace: begun.workspace, sent: begun.sent, turn: turn.turn, suggestion };
  }

  private async take(found: Found, hunks: readonly string[] | null): Promise<void> {
    const { turn, suggestion } = found;
    const { workspace } = this.subject(found);
    const named = open(suggestion, hunks);
    if (named.length === 0) return this.told("Nothing of this is open any more.");
    const paths = suggestion.proposed.files.flatMap((file) => [file.path, after(file)]);
    try {
      await this.see(found); // nobody decides on what is not before the eyes
      const buffers = await present(this.workspaces, workspace, [...new Set(paths)]);
      const handover = await this.sidecar.request("suggestion/accept", {
        turn: turn.turn, suggestion: suggestion.proposed.id, hunks: named, buffers,
      });
      // whatever comes of it the sidecar is told: until then it holds the hunks as taken
      const files = await write(this.workspaces, workspace, handover).catch((error: unknown) => `nothing was written: ${faultOf(error).message}`);
      const applied = (note: string): Promise<unknown> => this.sidecar.request("suggestion/applied", { acceptance: handover.acceptance, applied: !note, note });
      if (typeof files === "string") return void (await applied(files).finally(() => this.stale(turn, `${files}. Ask again on the present text.`)));
      if (handover.label !== suggestion.label) this.conversation.note(turn, `What was written: ${handover.label}${handover.rebased ? ", judged anew on the changed text" : ""}.`);
      suggestion.label = handover.label;
      this.acceptances.push({ name: handover.acceptance, turn: turn.turn, suggestion: suggestion.proposed.id, hunks: named, files });
      this.conversation.decide(suggestion, named, "accepted");
      await applied(""); // last: what is written is so even if the sidecar is gone by now
      if (!(await areNow(files, "after"))) this.conversation.note(turn, "VS Code changed the text as it was saved: what was judged is the text before that.");
      this.told(`Written: ${handover.label}.`);
    } catch (error) {
      if (!(error instanceof Faulty)) throw error;
      this.stale(turn, tell(error.fault));
    }
  }

  private stale(turn: Turn, why: string): void {
    this.conversation.note(turn, why);
    void vscode.window.showWarningMessage(plain(`Greenloop: ${why}`), "Ask Again").then((chosen) => (chosen ? this.again() : undefined));
  }

  private async undone(acceptance: Acceptance): Promise<void> {
    this.acceptances = this.acceptances.filter((one) => one !== acceptance);
    const found = this.conversation.find(acceptance.turn, acceptance.suggestion);
    if (found) this.conversation.reopen(found.suggestion, acceptance.hunks);
    this.told("Undone.");
    await this.sidecar.request("suggestion/undone", { acceptance: acceptance.name });
  }
}
