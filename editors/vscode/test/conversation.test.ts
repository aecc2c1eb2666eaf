// What the person sees, from the golden messages of the protocol.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { Conversation, open } from "../src/conversation.js";
import type { News } from "../src/protocol.js";

function golden<K extends keyof News>(method: K): News[K] {
  const read = readFileSync(`../../protocol/golden/${method.replace("/", ".")}.json`, "utf8");
  return (JSON.parse(read) as { notification: { params: News[K] } }).notification.params;
}

function begun(): { conversation: Conversation; turn: ReturnType<Conversation["begin"]>; changes: () => number } {
  let changes = 0;
  const conversation = new Conversation(() => (changes += 1));
  const turn = conversation.begin("make it so");
  turn.turn = golden("turn/ended").turn;
  return { conversation, turn, changes: () => changes };
}

test("a turn from its first news to its last", () => {
  const { conversation, turn, changes } = begun();
  const candidate = golden("turn/candidate");
  for (const method of ["turn/progress", "turn/delta", "turn/candidate", "turn/ended"] as const) {
    conversation.news(method, { ...golden(method), turn: turn.turn });
  }
  assert.equal(turn.outcome, golden("turn/ended").outcome);
  assert.equal(conversation.running().length, 0);
  assert.deepEqual(conversation.current()?.suggestion.proposed, candidate.suggestion);
  assert.equal(turn.notes.length, golden("turn/ended").fault ? 1 : 0);
  assert(changes() >= 5);
});

test("a suggestion that comes again with a better label is still one, and the order of the end holds", () => {
  const { conversation, turn } = begun();
  const { suggestion } = golden("turn/candidate");
  const tell = (id: string, rank: number, label: string): void =>
    conversation.news("turn/candidate", { turn: turn.turn, rank, suggestion: { ...suggestion, id, label } });
  tell("a", 0, "unverified: being checked");
  tell("b", 1, "unverified: being checked");
  tell("a", 1, "2 errors");
  tell("b", 0, "type-checks");
  assert.deepEqual(turn.suggestions.map((one) => [one.proposed.id, one.label]), [["b", "type-checks"], ["a", "2 errors"]]);
  conversation.news("turn/ended", { ...golden("turn/ended"), turn: turn.turn, order: ["a", "b"] });
  assert.deepEqual(turn.suggestions.map((one) => one.proposed.id), ["a", "b"]);
});

test("thoughts and drafts are kept apart, candidate by candidate", () => {
  const { conversation, turn } = begun();
  for (const [candidate, text, thought] of [[1, "b", false], [0, "a", false], [0, "hm", true], [1, "c", false]] as const) {
    conversation.news("turn/delta", { turn: turn.turn, candidate, text, thought });
  }
  assert.deepEqual([turn.drafts, turn.thoughts], [["a", "bc"], ["hm"]]);
});

test("decisions, and taking one back", () => {
  const { conversation, turn } = begun();
  conversation.news("turn/candidate", { ...golden("turn/candidate"), turn: turn.turn });
  const suggestion = conversation.current()?.suggestion;
  assert(suggestion);
  conversation.decide(suggestion, ["2"], "refused");
  // a file of which only the name changes is decided on by its path
  assert.deepEqual(open(suggestion), ["1", "3", "book/old.ml", "4"]);
  conversation.decide(suggestion, open(suggestion), "accepted");
  assert.deepEqual([open(suggestion), suggestion.decided["2"], suggestion.decided["1"]], [[], "refused", "accepted"]);
  conversation.reopen(suggestion, ["1", "book/old.ml", "4"]);
  assert.deepEqual(open(suggestion), ["1", "book/old.ml", "4"]);
});

test("news of an unknown turn, and of a lost one, do no harm", () => {
  const { conversation, turn } = begun();
  conversation.news("turn/delta", { turn: "another", candidate: 0, text: "x", thought: false });
  assert.deepEqual(turn.drafts, []);
  conversation.fail(turn, { code: "sidecar-restarted", message: "It is gone.", way_out: "ask again" });
  assert.deepEqual([turn.outcome, turn.fault, turn.notes], ["failed", "sidecar-restarted", ["It is gone. (ask again)"]]);
});
