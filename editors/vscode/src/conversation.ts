// What the person sees of a conversation. News of the sidecar change it; the view shows it. Nothing of VS Code is known here.
import type { Fault, FileChange, News, Proposed, Said } from "./protocol.js";

/** A fault as people are told it. */
export const tell = (fault: Fault): string => (fault.way_out ? `${fault.message} (${fault.way_out})` : fault.message);

export type Decision = "accepted" | "refused";

export interface Suggestion {
  proposed: Proposed;
  rank: number;
  /** What it was found to be when it was handed over; it may have been judged anew. */
  label: string;
  /** Change (as in `idsOf`) → what was decided; one that is missing is open. */
  decided: Record<string, Decision>;
}

export interface Turn {
  kind: "turn";
  /** Empty until the sidecar has named it. */
  turn: string;
  words: string;
  progress: string;
  /** The model's words, candidate by candidate; its thoughts apart. */
  drafts: string[];
  thoughts: string[];
  suggestions: Suggestion[];
  outcome: "" | "done" | "cancelled" | "failed";
  /** The person wants no more of it; until it has a name nobody can be told so. */
  unwanted: boolean;
  /** The name of what went wrong. */
  fault: string;
  summary: string;
  text: string;
  /** What went wrong, and what was told afterwards. */
  notes: string[];
}

/** Something that was said earlier, or what a tool answered. */
export interface Told { kind: "said"; role: "person" | "greenloop" | "tool"; text: string; title: string }

export type Item = Turn | Told;

/** All that there is to see. */
export interface Shown {
  items: Item[];
  running: boolean;
  /** A line above the conversation, and the command that its button runs. */
  banner: { text: string; button: string; command: string } | null;
  /** News for screen readers, which read no messages of the status bar. */
  told: string;
}

/** What the person does in the sidebar. */
export type Doing =
  | { do: "ready" }
  | { do: "ask"; words: string; whole: boolean }
  | { do: "fix" | "cancel" | "again" | "banner" }
  | { do: "see" | "show" | "undo"; turn: string; suggestion: string }
  | { do: "accept" | "refuse"; turn: string; suggestion: string; hunks: string[] | null }
  | { do: "go"; turn: string; suggestion: string; hunk: string };

export class Conversation {
  id = "";
  items: Item[] = [];
  /** News that are no part of the conversation, until the view has them. */
  told = "";

  constructor(private readonly changed: () => void) {}

  begin(words: string): Turn {
    const turn: Turn = {
      kind: "turn", turn: "", words, progress: "starting", drafts: [], thoughts: [], suggestions: [], outcome: "", unwanted: false,
      fault: "", summary: "", text: "", notes: [],
    };
    this.items.push(turn);
    this.changed();
    return turn;
  }

  say(told: Omit<Told, "kind">): void {
    this.items.push({ kind: "said", ...told });
    this.changed();
  }

  tell(text: string): void {
    this.told = text;
    this.changed();
  }

  note(turn: Turn, text: string): void {
    turn.notes.push(text);
    this.changed();
  }

  /** Show an earlier conversation, and go on with it. */
  show(id: string, said: readonly Said[]): void {
    this.id = id;
    this.items = said.map((one) => ({ kind: "said", role: one.role, text: one.text, title: "" }));
    this.changed();
  }

  news<K extends keyof News>(method: K, params: News[K]): void {
    const told = params as News["turn/ended"] | News["turn/delta"] | News["turn/candidate"] | News["turn/progress"];
    const turn = this.turns().find((one) => one.turn === told.turn);
    if (turn === undefined) return;
    if (method === "turn/progress") {
      const { stage, text } = params as News["turn/progress"];
      turn.progress = text || stage;
    } else if (method === "turn/delta") {
      const { candidate, text, thought } = params as News["turn/delta"];
      const kept = thought ? turn.thoughts : turn.drafts;
      while (kept.length <= candidate) kept.push("");
      kept[candidate] += text;
    } else if (method === "turn/candidate") {
      const { suggestion, rank } = params as News["turn/candidate"];
      const known = turn.suggestions.find((one) => one.proposed.id === suggestion.id);
      if (known) Object.assign(known, { proposed: suggestion, rank, label: suggestion.label });
      else turn.suggestions.push({ proposed: suggestion, rank, label: suggestion.label, decided: {} });
      turn.suggestions.sort((a, b) => a.rank - b.rank);
    } else if (method === "turn/ended") {
      const { outcome, order, summary, text, fault } = params as News["turn/ended"];
      Object.assign(turn, { outcome, summary, text, progress: "", fault: fault?.code ?? "" });
      const place = (one: Suggestion): number => (order.includes(one.proposed.id) ? order.indexOf(one.proposed.id) : order.length);
      turn.suggestions.sort((a, b) => place(a) - place(b));
      if (fault) turn.notes.push(tell(fault));
    }
    this.changed();
  }

  /** The turn could not begin, or its sidecar is gone. One that is over stays as it is. */
  fail(turn: Turn, fault: Fault): void {
    if (turn.outcome !== "") return;
    Object.assign(turn, { outcome: fault.code === "cancelled" ? "cancelled" : "failed", fault: fault.code, progress: "" });
    turn.notes.push(tell(fault));
    this.changed();
  }

  turns(): Turn[] {
    return this.items.filter((item) => item.kind === "turn");
  }

  running(): Turn[] {
    return this.turns().filter((turn) => turn.outcome === "");
  }

  /** The suggestion that keys without a name are about: the best of the newest turn that has one. */
  current(): { turn: Turn; suggestion: Suggestion } | undefined {
    const turn = this.turns().findLast((one) => one.suggestions.length > 0);
    return turn && this.find(turn.turn, turn.suggestions[0]?.proposed.id ?? "");
  }

  find(turnName: string, id: string): { turn: Turn; suggestion: Suggestion } | undefined {
    const turn = this.turns().find((one) => one.turn === turnName);
    const suggestion = turn?.suggestions.find((one) => one.proposed.id === id);
    return turn && suggestion && { turn, suggestion };
  }

  /** Note what was decided of changes. */
  decide(suggestion: Suggestion, ids: readonly string[], decision: Decision): void {
    for (const id of ids) suggestion.decided[id] = decision;
    this.changed();
  }

  /** An acceptance was taken back: what it was about is open again. */
  reopen(suggestion: Suggestion, ids: readonly string[]): void {
    for (const id of ids) delete suggestion.decided[id];
    this.changed();
  }
}

/** What the changes of a file are decided on by: its hunks, or its path where it has none, as where only its name changes. */
export const idsOf = (file: FileChange): string[] => (file.hunks.length ? file.hunks.map((hunk) => hunk.id) : [file.path]);

/** Those of these changes (`null`: of all) that nothing was decided of. */
export const open = (suggestion: Suggestion, ids: readonly string[] | null = null): string[] =>
  (ids ?? suggestion.proposed.files.flatMap(idsOf)).filter((id) => !(id in suggestion.decided));

/** The path under which a file is known after the change. */
export const after = (file: FileChange): string => file.new_path ?? file.path;
