// What the extension and its sidebar say to each other.

import type { Item } from "./conversation.js";

/** All that there is to see. */
export interface Shown {
  items: Item[];
  running: boolean;
  /** A line above the conversation, and the command that its button runs. */
  banner: { text: string; button: string; command: string } | null;
}

/** What the person does in the sidebar. */
export type Doing =
  | { do: "ready" }
  | { do: "ask"; words: string; whole: boolean }
  | { do: "fix" | "cancel" | "again" | "banner" }
  | { do: "shown" | "review" | "undo"; turn: string; suggestion: string }
  | { do: "accept" | "refuse"; turn: string; suggestion: string; hunks: string[] | null }
  | { do: "go"; turn: string; suggestion: string; hunk: string };
