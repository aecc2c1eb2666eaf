"""The evaluation service as a judge of trees: whatever asks a ``Judge`` may ask a service, or a fleet, in its place.

A tree is sent in a pack, once, and judged as it is: an evaluation of an edit that changes nothing. What an edit may
do, and what it is worth, is decided where the edit is applied, so training and evaluation follow one path whoever
judges. Verdicts are the service's, its toolchain's fingerprint with them.
"""

import copy
import tempfile
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path

from greenloop.builds.judge import Progress
from greenloop.builds.stop import Stop
from greenloop.ces.client import Client
from greenloop.records import (
    Edit,
    EnvironmentFault,
    Evaluation,
    EvaluationRequest,
    GreenloopError,
    InfrastructureError,
    InputError,
    Status,
    Suite,
    TreeId,
    Verdict,
    WriteFile,
)
from greenloop.workspace.store import Mode, TreeStore


class RemoteJudge:
    """Judges the trees of ``store`` by the service behind ``client``; safe to share between threads.

    ``revision`` is the green one above which they are judged, by the service's name for it; empty: the nearest that it
    holds warm. Verdicts are kept for as long as the judge lives. A service that is down, slow or makes no sense
    raises ``EnvironmentFault``; that it could not judge one tree, ``InfrastructureError``.
    """

    def __init__(self, client: Client, store: TreeStore, *, revision: str = "") -> None:
        self._client = client
        self._store = store
        self._revision = revision or None
        self._sent: set[TreeId] = set()
        self._known: dict[tuple[TreeId, Suite], Verdict] = {}
        self._lock = threading.Lock()
        self._stop: Stop | None = None

    @property
    def fingerprint(self) -> str:
        """Of the service's toolchain, as its warm builds tell it. Raises ``EnvironmentFault``."""
        found = sorted({build.toolchain for build in self._client.builds() if build.state == "green"})
        if len(found) != 1:
            raise EnvironmentFault(
                f"{self._client.address}: the service holds green builds of {len(found)} toolchains, not of one",
                "warm a green revision: greenloop ces warm",
            )
        return found[0]

    def until(self, stop: Stop) -> "RemoteJudge":
        """See ``Judge.until``; the view shares all with this one, and ends between two answers of the service."""
        view = copy.copy(self)
        view._stop = stop
        return view

    def judge(self, tree: TreeId, suite: Suite) -> Verdict:
        """Return the verdict on one tree. Raises as the class says, and ``InputError`` for a tree without a base."""
        return self.judge_many((tree,), suite)[tree]

    def judge_many(
        self, trees: Iterable[TreeId], suite: Suite, progress: Progress | None = None
    ) -> dict[TreeId, Verdict]:
        """Return the verdict on each distinct tree, all asked for at once."""
        distinct = tuple(dict.fromkeys(trees))
        missing = [tree for tree in distinct if (tree, suite) not in self._known]
        done = len(distinct) - len(missing)
        for tree, verdict in self._ask(missing, suite):
            self._known[tree, suite] = verdict
            done += 1
            if progress is not None:
                progress(done, len(distinct))
        return {tree: self._known[tree, suite] for tree in distinct}

    def confirm(
        self, trees: Iterable[TreeId], suite: Suite, times: int, progress: Progress | None = None
    ) -> frozenset[TreeId]:
        """Judge each tree afresh ``times`` times; return those on which the service disagrees with itself."""
        distinct = tuple(dict.fromkeys(trees))
        ends: dict[TreeId, set[Status]] = {tree: set() for tree in distinct}
        for number in range(times):
            for tree, verdict in self._ask(distinct, suite, fresh=True):
                ends[tree].add(verdict.status)
            if progress is not None:
                progress((number + 1) * len(distinct) // times, len(distinct))
        return frozenset(tree for tree, seen in ends.items() if len(seen) > 1)

    def _ask(self, trees: Sequence[TreeId], suite: Suite, *, fresh: bool = False) -> list[tuple[TreeId, Verdict]]:
        if not trees:
            return []
        if self._stop is not None:
            self._stop.check()
        self._send(trees)
        requests = [
            EvaluationRequest(
                revision=self._revision, base_tree=tree, edit=_as_it_is(self._store, tree), suite=suite, fresh=fresh
            )
            for tree in trees
        ]
        found = []
        for index, answer in self._client.batch(requests):
            if self._stop is not None:
                self._stop.check()
            if isinstance(answer, GreenloopError):
                raise answer
            found.append((trees[index], _verdict(trees[index], suite, answer, self._client.address)))
        return found

    def _send(self, trees: Sequence[TreeId]) -> None:
        with self._lock:
            unsent = [tree for tree in trees if tree not in self._sent]
            if not unsent:
                return
            with tempfile.TemporaryDirectory(prefix="greenloop-trees-") as folder:
                pack = Path(folder) / "trees.pack"
                self._store.export_pack(unsent, pack)
                taken = set(self._client.add_pack(pack))
            lost = [tree for tree in unsent if tree not in taken]
            if lost:
                raise EnvironmentFault(
                    f"{self._client.address}: the service did not take the tree {lost[0]}",
                    "is it Greenloop's, and of this version?",
                )
            self._sent.update(unsent)


def _as_it_is(store: TreeStore, tree: TreeId) -> Edit:
    """Return an edit that leaves a tree as it is: one of its files, written anew with its own text."""
    for path, entry in sorted(store.files(tree).items()):
        if entry.mode is Mode.LINK:
            continue
        try:
            return Edit(files=(WriteFile(path=path, content=store.read_blob(entry.blob).decode()),))
        except UnicodeDecodeError:
            continue
    raise InputError(f"{tree}: a tree without a file of text cannot be judged by a service", "judge it on this machine")


def _verdict(tree: TreeId, suite: Suite, told: Evaluation, address: str) -> Verdict:
    if told.status is Status.INFRA_ERROR:
        raise InfrastructureError(f"{address}: {tree} could not be judged: {told.note}", "run the command again")
    if told.reason == "refused" or (told.status is Status.REJECTED and told.result is None):
        raise InputError(f"{address}: {tree} cannot be judged: {told.note or told.reason}", "see the service's log")
    if told.result != tree or told.suite is not suite or (told.status is Status.GREEN and not told.stages):
        raise EnvironmentFault(
            f"{address}: asked for {tree} ({suite}), the service answered for {told.result} ({told.suite})",
            "is it Greenloop's, and of this version?",
        )
    return Verdict(
        tree=tree,
        toolchain=told.toolchain,
        suite=suite,
        status=told.status,
        stages=told.stages,
        diagnostics=told.diagnostics,
        tests=told.tests,
        note=told.note,
        sandboxed=told.sandboxed,
    )
