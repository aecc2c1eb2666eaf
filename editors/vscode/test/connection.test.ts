// The connection against a bridge of its own process: answers, questions, ends.
import assert from "node:assert/strict";
import * as path from "node:path";
import { test } from "node:test";
import { Faulty, plain, Sidecar } from "../src/connection.js";
import { tell } from "../src/conversation.js";

const BRIDGE = path.resolve("test/bridge.mjs");

function sidecar(manner: string, program = process.execPath) {
  const seen: { news: string[]; lost: string[] } = { news: [], lost: [] };
  const made = new Sidecar(() => (manner ? [program, BRIDGE, manner] : [program]), "1.2.3", {
    news: (method) => void seen.news.push(method),
    approve: async () => ({ approved: true }),
    lost: (fault) => void seen.lost.push(fault.code),
  });
  return { made, seen };
}

async function fault(asked: Promise<unknown>): Promise<Faulty> {
  const error: unknown = await asked.then(() => undefined, (thrown: unknown) => thrown);
  assert(error instanceof Faulty, String(error));
  return error;
}

test("it starts the bridge once, passes news on, and answers questions", async () => {
  const { made, seen } = sidecar("answers");
  const [one, two] = await Promise.all([made.request("sidecar/status", {}), made.request("sidecar/status", {})]);
  assert.equal(one.pid, two.pid);
  const opened = await made.request("workspace/open", { path: "/w" });
  assert.equal(opened.trusted, true);
  assert.deepEqual(seen.news, ["status/changed"]);
  made.dispose();
});

test("a bridge that ends in the middle is told once, and the next request starts another", async () => {
  const { made, seen } = sidecar("answers");
  const before = await made.request("sidecar/status", {});
  const error = await fault(made.request("turn/start", { workspace: "w", kind: "ask" }));
  assert.equal(error.fault.code, "sidecar-restarted");
  const after = await made.request("sidecar/status", {});
  assert.notEqual(after.pid, before.pid);
  assert.deepEqual(seen.lost, ["sidecar-restarted"]);
  made.dispose();
});

test("what the bridge says before it gives up is what people are told", async () => {
  const { made, seen } = sidecar("refuses");
  const error = await fault(made.request("sidecar/status", {}));
  assert.equal(error.fault.code, "sidecar-unreachable");
  assert.match(tell(error.fault), /the home is not writable/);
  assert.deepEqual(seen.lost, []);
});

test("a program that is not there is named, with the setting that names it", async () => {
  const { made } = sidecar("", "/nowhere/greenloop");
  const error = await fault(made.request("sidecar/status", {}));
  assert.match(tell(error.fault), /\/nowhere\/greenloop cannot be started.*greenloop\.command/);
});

test("what somebody else has written is no link in a notification", () => {
  // what VS Code makes a link of (parseLinkedText)
  const link = /\[[^\]]+\]\((?:https?:\/\/|command:|file:)[^)\s]+/;
  const name = "[Ask Again](command:workbench.action.terminal.sendSequence?%7B%7D).ml";
  assert.match(name, link);
  assert.doesNotMatch(plain(`${name} has changed since the request`), link);
});
