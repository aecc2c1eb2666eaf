"""One open workspace: its tree, its trust, its build, its status."""

import hashlib
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path

from greenloop.aid.protocol.base import Encoding
from greenloop.aid.protocol.positions import problem_of
from greenloop.aid.protocol.session import Problem, Status, WorkspaceState
from greenloop.aid.trust import Trust
from greenloop.aid.workspaces.disk import Disk
from greenloop.aid.workspaces.equipment import Build, Equipment
from greenloop.aid.workspaces.follower import Follower, Standing
from greenloop.builds.gate import Gate, GatedJudge
from greenloop.builds.stop import Stop
from greenloop.records import Diagnostic, TreeId, Verdict
from greenloop.workspace.edits import check_path
from greenloop.workspace.store import TreeStore
from greenloop.workspace.vcs.one_file import Screen

_SETTINGS = "greenloop.toml"
_RECENT = 8
"""So many trees of its past are remembered: what the person did a moment ago."""
_MAX_PROBLEMS = 200
"""So many diagnostics are told; ``Status.errors`` counts them all."""


def name_of(root: Path) -> str:
    """Return the name of a workspace: the same for the same root, whoever asks."""
    return hashlib.sha256(str(root).encode("utf-8", "surrogateescape")).hexdigest()[:12]


class Workspace:
    """The workspace at ``root``, while somebody has it open. ``tell`` gets each new standing."""

    def __init__(
        self,
        root: Path,
        equipment: Equipment,
        trust: Trust,
        gate: Gate,
        cache: Path,
        tell: Callable[["Workspace", Standing], None],
    ) -> None:
        self.root = root
        self.name = name_of(root)
        self._equipment = equipment
        self._trust = trust
        self._gate = gate
        self._lock = threading.Lock()
        self._build: tuple[str, Build] | None = None
        self._ready = threading.Event()
        self._trees: deque[TreeId] = deque(maxlen=_RECENT)
        self.disk = Disk(equipment.working_copy(root, cache / self.name), self._changed)
        self._follower = Follower(self._tree, self._check, lambda standing: tell(self, standing), root.name)
        self._ready.set()
        self._follower.poke()

    @property
    def trees(self) -> tuple[TreeId, ...]:
        """The trees that it held lately, oldest first, the present one included."""
        return tuple(self._trees)

    @property
    def screen(self) -> Screen | None:
        """What says of a text why it must not be stored."""
        return self._equipment.screen(self.root)

    @property
    def trusted(self) -> bool:
        """Whether it may be built, at this moment."""
        return self._trust.trusts(self.root)

    @property
    def standing(self) -> Standing:
        """What is known of its build."""
        return self._follower.standing

    def saved(self, path: str) -> None:
        """An editor says that it saved a file. Raises ``EditError`` when the path is none of the workspace's."""
        self.disk.hint(check_path(path))
        self._follower.poke()

    def decide(self, *, trusted: bool) -> None:
        """Keep the person's decision, and act on it at once: a check that runs is ended."""
        self._trust.decide(self.root, trusted=trusted)
        self._follower.poke(anew=True)

    def build(self, tree: TreeId) -> Build | None:
        """Return how it is judged; ``None`` while it is not trusted. Made anew when its settings change."""
        if not self.trusted:
            return None
        entry = self._equipment.store.entry(tree, _SETTINGS)
        settings = entry.blob if entry is not None else ""
        with self._lock:
            if self._build is not None and self._build[0] != settings:
                self._build[1].close()
                self._build = None
            if self._build is None:
                self._build = (settings, self._equipment.build(self.root, tree))
            return self._build[1]

    def judge(self, build: Build, stop: Stop) -> GatedJudge:
        """Return its judge for one piece of work, which takes turns with that of other workspaces."""
        return GatedJudge(build.judge, self._gate, self.name, stop)

    def state(self) -> WorkspaceState:
        """Return it as clients are told it."""
        with self._lock:
            toolchain = self._build[1].toolchain if self._build is not None else ""
        return WorkspaceState(workspace=self.name, root=str(self.root), trusted=self.trusted, toolchain=toolchain)

    def status(self, encoding: Encoding) -> Status:
        """Return its build status as a client that counts columns so is told it."""
        return self.status_of(self.standing, encoding)

    def status_of(self, standing: Standing, encoding: Encoding) -> Status:
        """Return a standing as a client is told it."""
        shown = standing.diagnostics[:_MAX_PROBLEMS]
        return Status(
            workspace=self.name,
            state=standing.state,
            tree=standing.tree,
            problems=problems(self._equipment.store, standing.told_of, shown, encoding),
            errors=len(standing.errors),
            since=standing.since,
            note=standing.note or self.disk.fault,
        )

    def close(self) -> None:
        """End its watching and its build."""
        self._follower.close()
        self.disk.close()
        with self._lock:
            if self._build is not None:
                self._build[1].close()
                self._build = None

    def _tree(self) -> TreeId:
        tree = self.disk.tree()
        if not self._trees or self._trees[-1] != tree:
            self._trees.append(tree)
            self._equipment.moved(self.root, tree)
        return tree

    def _changed(self) -> None:
        # the watcher may be quicker than the constructor
        self._ready.wait()
        self._follower.poke()

    def _check(self, tree: TreeId, stop: Stop) -> Verdict | None:
        build = self.build(tree)
        if build is None:
            return None
        return self.judge(build, stop).judge(tree, build.rules.suite)


def problems(
    store: TreeStore, tree: TreeId, diagnostics: tuple[Diagnostic, ...], encoding: Encoding
) -> tuple[Problem, ...]:
    """Return diagnostics of a tree as a client is told them."""
    texts: dict[str, str | None] = {}

    def text(path: str | None) -> str | None:
        if path is None or not tree:
            return None
        if path not in texts:
            content = store.read(tree, path)
            texts[path] = content.decode("utf-8", "replace") if content is not None else None
        return texts[path]

    return tuple(problem_of(one, text(one.path), encoding) for one in diagnostics)
