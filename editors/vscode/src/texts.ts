// Whole lines replaced by whole lines. Where they stand the sidecar has said; nothing is looked for here.
import { createHash } from "node:crypto";
import type { Hunk } from "./protocol.js";

export const sha256 = (text: string): string => createHash("sha256").update(text, "utf8").digest("hex");

/** Whether a path leads to version control's own files: the message of a commit, say. The sidecar takes none of them. */
export const isVersionControls = (path: string): boolean => /(^|\/)\.(git|hg)(\/|$)/i.test(path);

/** The lines of a text, line ends included; a text that ends without one has a last line without one. */
export const lines = (text: string): string[] => (text === "" ? [] : text.split(/(?<=\n)/));

/** The hunks in the order of the text, by characters: those from `start` up to `end` become `text`. */
export function replacements(base: string, hunks: readonly Hunk[]): { start: number; end: number; text: string }[] {
  const offsets = [0];
  for (const line of lines(base)) offsets.push((offsets.at(-1) ?? 0) + line.length);
  const at = (line: number): number => offsets[Math.min(line, offsets.length - 1)] ?? 0;
  return [...hunks].sort((a, b) => a.start - b.start).map((hunk) => ({ start: at(hunk.start), end: at(hunk.end), text: hunk.new }));
}

/** The text with the hunks applied. */
export const spliced = (base: string, hunks: readonly Hunk[]): string =>
  replacements(base, hunks).reduceRight((text, one) => text.slice(0, one.start) + one.text + text.slice(one.end), base);

/** The hunks that lead back. */
export function inverse(hunks: readonly Hunk[]): Hunk[] {
  return hunks.map(({ id, old, new: text, start, new_start }) =>
    ({ id, old: text, new: old, start: new_start, end: new_start + lines(text).length, new_start: start }));
}

/** The hunk that a line of the new text belongs to: the one that it stands in, or right behind. */
export const hunkAt = (hunks: readonly Hunk[], line: number): Hunk | undefined =>
  hunks.find((hunk) => hunk.new_start <= line && line <= hunk.new_start + Math.max(lines(hunk.new).length - 1, 0));

/** Where a place (an offset) is after a change; one inside of what was replaced goes to its beginning. */
export const moved = (at: number, change: { rangeOffset: number; rangeLength: number; text: string }): number =>
  at < change.rangeOffset + change.rangeLength ? Math.min(at, change.rangeOffset) : at + change.text.length - change.rangeLength;
