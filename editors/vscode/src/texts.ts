// Whole lines replaced by whole lines. Where they stand the sidecar has said; nothing is looked for here.
import { createHash } from "node:crypto";
import type { Hunk } from "./protocol.js";

export function sha256(text: string): string {
  return createHash("sha256").update(text, "utf8").digest("hex");
}

/** The lines of a text, line ends included; a text that ends without one has a last line without one. */
export function lines(text: string): string[] {
  return text === "" ? [] : text.split(/(?<=\n)/);
}

/** The hunks in the order of the text, by characters: those from `start` up to `end` become `text`. */
export function replacements(base: string, hunks: readonly Hunk[]): { start: number; end: number; text: string }[] {
  const offsets = [0];
  for (const line of lines(base)) offsets.push((offsets.at(-1) ?? 0) + line.length);
  const at = (line: number): number => offsets[Math.min(line, offsets.length - 1)] ?? 0;
  return [...hunks].sort((a, b) => a.start - b.start).map((hunk) => ({ start: at(hunk.start), end: at(hunk.end), text: hunk.new }));
}

/** The text with the hunks applied. */
export function spliced(base: string, hunks: readonly Hunk[]): string {
  let result = "";
  let done = 0;
  for (const one of replacements(base, hunks)) {
    result += base.slice(done, one.start) + one.text;
    done = one.end;
  }
  return result + base.slice(done);
}

/** The hunks that lead back. */
export function inverse(hunks: readonly Hunk[]): Hunk[] {
  return hunks.map((hunk) => ({
    id: hunk.id, start: hunk.new_start, end: hunk.new_start + lines(hunk.new).length, old: hunk.new, new: hunk.old,
    new_start: hunk.start,
  }));
}

/** The hunk that a line of the new text belongs to: the one that it stands in, or right behind. */
export function hunkAt(hunks: readonly Hunk[], line: number): Hunk | undefined {
  return hunks.find((hunk) => hunk.new_start <= line && line <= hunk.new_start + Math.max(lines(hunk.new).length - 1, 0));
}
