"""Histories made of texts, and a judge that reads them: a line with ``bad`` is an error."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests.mining.passes import Mined, mine

from greenloop.builds.scripted import Answer, ScriptedJudge
from greenloop.mining.own import NOTHING, Accepted
from greenloop.mining.rules import Rules
from greenloop.records import Category, Diagnostic, Severity, Snapshot, Span, Status, Suite, TreeId, Workspace
from greenloop.snapshots.store import SnapshotStore
from greenloop.workspace.store import Entry, Mode, TreeStore


@dataclass
class Lab:
    """Stores of one history. Snapshots come 30 s after each other unless told otherwise."""

    trees: TreeStore
    snapshots: SnapshotStore
    rules: Rules = field(default_factory=Rules)
    accepted: Accepted = NOTHING

    @classmethod
    def at(cls, folder: Path) -> "Lab":
        """Make empty stores in ``folder``."""
        trees = TreeStore(folder / "trees")
        return cls(trees, SnapshotStore(folder / "snapshots.sqlite", trees))

    def tree(self, *texts: str | bytes, names: Sequence[str] = ("a.ml", "b.ml", "c.ml")) -> TreeId:
        """Store a tree of ``a.ml``, ``b.ml`` … with these texts."""
        contents = [text.encode() if isinstance(text, str) else text for text in texts]
        return self.trees.write_tree(
            {name: Entry(Mode.FILE, self.trees.write_blob(one)) for name, one in zip(names, contents, strict=False)}
        )

    def record(self, *trees: TreeId, workspace: str = "w", author: str = "ada", **fields: object) -> None:
        """Record trees, ``step`` seconds apart, with these fields of a snapshot."""
        step = fields.pop("step", 30)
        assert isinstance(step, int | float)
        self.snapshots.add_workspace(Workspace(id=workspace, author=author, title=workspace, source="test"))
        seq = self.snapshots.next_seq(workspace)
        last = self.snapshots.last(workspace)
        time = 1000.0 if last is None else last.time
        for place, tree in enumerate(trees):
            time += step
            known = {"workspace": workspace, "seq": seq + place, "time": time, "tree": tree}
            self.snapshots.add([Snapshot.model_validate({**known, **fields})])

    def answer(self, tree: TreeId, _suite: Suite) -> Answer:
        """Red where a line says ``bad``, timed out where one says ``loop``, red without errors for ``mute``."""
        found: list[Diagnostic] = []
        for path in self.trees.files(tree):
            for number, line in enumerate((self.trees.read(tree, path) or b"").splitlines(), 1):
                text = line.decode("utf-8", "replace")
                if "loop" in text:
                    return Status.TIMEOUT
                if "mute" in text:
                    return Status.RED
                if "bad" in text:
                    span = Span(line=number, column=0, end_line=number, end_column=3)
                    message = f"Unbound value {text[text.index('bad') :].split()[0]}"
                    found.append(
                        Diagnostic(
                            severity=Severity.ERROR, category=Category.UNBOUND, message=message, path=path, span=span
                        )
                    )
        return tuple(found)

    def mine(self) -> Mined:
        """Mine everything that was recorded."""
        judge = ScriptedJudge(self.answer)
        return mine(self.snapshots, judge, self.trees, rules=self.rules, accepted=self.accepted)

    def pairs(self) -> list[tuple[TreeId, TreeId]]:
        """Mine, and return (base, target) of each example."""
        return [(example.base, example.target) for example in self.mine().examples]


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab.at(tmp_path)
