// Whole lines for whole lines: line ends, ends of files, and the way back.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Hunk } from "../src/protocol.js";
import { hunkAt, inverse, lines, moved, sha256, spliced } from "../src/texts.js";

const hunk = (start: number, old: string, text: string, new_start: number): Hunk => ({
  id: `${start}`, start, end: start + lines(old).length, old, new: text, new_start,
});

const cases: [what: string, base: string, hunks: Hunk[], result: string][] = [
  ["a line in the middle", "a\nb\nc\n", [hunk(1, "b\n", "B\n", 1)], "a\nB\nc\n"],
  ["CR LF stays", "a\r\nb\r\n", [hunk(1, "b\r\n", "B\r\nC\r\n", 1)], "a\r\nB\r\nC\r\n"],
  ["the last line has no end", "a\nb", [hunk(1, "b", "B", 1)], "a\nB"],
  ["into nothing", "", [hunk(0, "", "a\n", 0)], "a\n"],
  ["to nothing", "a\n", [hunk(0, "a\n", "", 0)], ""],
  ["behind the last line", "a\n", [hunk(1, "", "b\n", 1)], "a\nb\n"],
  ["two, told in any order", "a\nb\nc\nd\n", [hunk(3, "d\n", "D\n", 4), hunk(0, "a\n", "x\ny\n", 0)], "x\ny\nb\nc\nD\n"],
  ["beyond 16 bits", "🥛\nb\n", [hunk(1, "b\n", "価\n", 1)], "🥛\n価\n"],
];

for (const [what, base, hunks, result] of cases) {
  test(`${what}, there and back`, () => {
    assert.equal(spliced(base, hunks), result);
    assert.equal(spliced(result, inverse(hunks)), base);
  });
}

test("a text is known by the SHA-256 of its UTF-8", () => {
  assert.equal(sha256("let two = 2\n".replace("two", "zwö")), sha256("let zwö = 2\n"));
  assert.equal(sha256(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
});

test("the hunk at a line of the new text", () => {
  const hunks = [hunk(0, "a\n", "x\ny\n", 0), hunk(3, "d\n", "", 4)];
  assert.deepEqual([0, 1, 2, 4].map((line) => hunkAt(hunks, line)?.id), ["0", "0", undefined, "3"]);
});

test("a place moves along with the text", () => {
  // in "abcdef", "cd" becomes "xyz"
  const change = { rangeOffset: 2, rangeLength: 2, text: "xyz" };
  assert.deepEqual([0, 2, 3, 4, 6].map((at) => moved(at, change)), [0, 2, 2, 5, 7]);
  const above = { rangeOffset: 0, rangeLength: 0, text: "new\n" };
  assert.deepEqual([0, 5].map((at) => moved(at, above)), [4, 9]);
});
