"""A layer for Greenloop in a plain terminal: the protocol that a layer needs, in the standard library alone.

    python3 terminal_client.py FOLDER [WORDS OF THE COMMAND greenloop]

Then type: `at PATH:LINE`, `ask WORDS`, `also WORDS` (goes on), `fix`, `cancel`, `accept [HUNK or PATH ...]`,
`refuse [...]`, `undo`, `tool NAME {"argument": "as JSON"}`, `yes` or `no`, `quit`. docs/write-a-layer.md explains it.
"""

import functools
import hashlib
import itertools
import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

Json = dict[str, Any]
say = functools.partial(print, flush=True)


class Client:
    def __init__(self, folder: str, command: list[str]) -> None:
        self.pipe: Any = subprocess.Popen([*command, "aid", "connect"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.numbers, self.lock = itertools.count(1), threading.Lock()
        self.waiting, self.found, self.problems = {}, {}, []
        self.question, self.asked = "", {"turn": "", "conversation": ""}
        self.place = self.best = self.undo = None
        threading.Thread(target=self.listen, daemon=True).start()
        words = {"client": "terminal", "encoding": "utf-8", "can_approve": True}
        # answers may overtake each other, so what depends on one is asked for when it is there
        self.call("initialize", words, lambda _: self.call("workspace/open", {"path": folder}, self.opened))

    def send(self, **message: Any) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        with self.lock:
            self.pipe.stdin.write(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
            self.pipe.stdin.flush()

    def call(self, method: str, params: Json, then: Any = lambda _: None) -> None:
        self.waiting[number := next(self.numbers)] = then
        self.send(id=number, method=method, params=params)

    def listen(self) -> None:
        while header := self.pipe.stdout.readline():
            self.pipe.stdout.readline()
            message = json.loads(self.pipe.stdout.read(int(header.removeprefix(b"Content-Length: "))))
            if "error" in message:
                fault = message["error"]["data"]
                say(f"! {fault['code']}: {fault['message']} ({fault['way_out']})")
            elif "result" in message:
                self.waiting[message["id"]](message["result"])
            elif message["method"] == "approval/request":
                self.question = message["id"]
                say(f"? {message['params']['tool']} {json.dumps(message['params']['arguments'])}: yes or no")
            else:
                self.hear(message["method"], message["params"])
        say("! the connection has ended")

    def opened(self, state: Json) -> None:
        self.workspace, self.root = state["workspace"], Path(state["root"])
        say(f"# {self.root}, {'trusted' if state['trusted'] else 'not trusted: `greenloop aid trust`'}")

    def hear(self, method: str, params: Json) -> None:
        if method == "status/changed":
            self.problems = params["problems"]
            say(f"# build: {params['state']}")
        elif params.get("turn") != self.asked["turn"]:
            return
        elif method == "turn/progress":
            say(f"# {params['text']}")
        elif method == "turn/delta" and not params["thought"]:
            say(params["text"], end="")
        elif method == "turn/candidate":
            self.found[params["suggestion"]["id"]] = params["suggestion"]
        elif method == "turn/ended":
            self.best = self.found[params["order"][0]] if params["order"] else None
            fault = params["fault"] or {"code": "", "message": "", "way_out": ""}
            say("\n#", params["summary"], params["text"], fault["message"], fault["way_out"])
            if self.best:
                say(self.best["diff"], *(f"\n# mistrust it: {flag}" for flag in self.best["flags"]))
                self.call("suggestion/shown", {"turn": self.asked["turn"], "suggestion": self.best["id"]})
            say(f"= {params['outcome']}, {self.best['label'] if self.best else '-'}, {fault['code'] or '-'}")

    def start(self, kind: str, words: str, conversation: str) -> None:
        self.found, self.best = {}, None
        request = {"workspace": self.workspace, "kind": kind, "prompt": words, "conversation": conversation}
        self.call("turn/start", request | {"place": self.place, "seen": self.problems}, self.asked.update)

    def decide(self, verb: str, names: set[str]) -> None:
        if not self.best:
            return say("! there is no suggestion")
        ids = {file["path"]: [one["id"] for one in file["hunks"]] or [file["path"]] for file in self.best["files"]}
        hunks = [one for path, every in ids.items() for one in every if {path, one} & names] if names else None
        params = {"turn": self.asked["turn"], "suggestion": self.best["id"], "hunks": hunks}
        self.call(f"suggestion/{verb}", params, self.write if verb == "accept" else lambda _: say("= refused"))

    def write(self, handover: Json) -> None:
        """Write what was handed over, if each file is what it was judged to be: all files or none."""
        after = {self.root / one["path"]: one["text"] for one in handover["files"]}
        before = self.texts(after)
        digests = [None if text is None else hashlib.sha256(text.encode()).hexdigest() for text in before.values()]
        word = "! a file has changed meanwhile: ask again"
        if same := digests == [one["base_sha256"] for one in handover["files"]]:
            self.lay(after)
            word, self.undo = f"= written: {handover['label']}", (handover["acceptance"], before, after)
        applied = {"acceptance": handover["acceptance"], "applied": same, "note": word}
        self.call("suggestion/applied", applied, lambda _: say(word))

    def texts(self, paths: Any) -> dict[Path, str | None]:
        return {path: path.read_bytes().decode() if path.exists() else None for path in paths}

    def lay(self, files: dict[Path, str | None]) -> None:
        for path, text in files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.unlink() if text is None else path.write_bytes(text.encode())
            saved = {"workspace": self.workspace, "path": path.relative_to(self.root).as_posix()}
            self.send(method="file/saved", params=saved)

    def take(self, verb: str, rest: str) -> None:
        if verb == "at":
            path, _, number = rest.partition(":")
            self.place = {"path": path, "cursor": {"line": int(number or 1) - 1, "column": 0}} if path else None
        elif verb in {"ask", "also", "fix"}:
            self.start("fix" if verb == "fix" else "ask", rest, self.asked["conversation"] if verb == "also" else "")
        elif verb == "cancel":
            self.call("turn/cancel", {"turn": self.asked["turn"]})
        elif verb in {"accept", "refuse"}:
            self.decide(verb, set(rest.split()))
        elif verb == "undo" and self.undo:
            acceptance, before, after = self.undo
            if self.texts(after) != after:
                return say("! a file has changed since: take it back by hand")
            self.undo = self.lay(before)
            self.call("suggestion/undone", {"acceptance": acceptance}, lambda _: say("= taken back"))
        elif verb == "tool":
            name, words = rest.split(maxsplit=1)
            params = {"workspace": self.workspace, "name": name, "arguments": json.loads(words)}
            self.call("tools/call", params, lambda result: say("=", result["text"]))
        elif verb in {"yes", "no"}:
            self.send(id=self.question, result={"approved": verb == "yes"})
        else:
            say("! not understood:", verb)


if __name__ == "__main__":
    client = Client(str(Path(sys.argv[1]).resolve()), sys.argv[2:] or ["greenloop"])
    for line in iter(lambda: sys.stdin.readline().strip() or "quit", "quit"):
        client.take(*line.partition(" ")[::2])
