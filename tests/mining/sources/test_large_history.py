"""A history of many commits: judged in batches, told as it goes, and gone on with after a fault."""

from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from tests.mining.commits.histories import Repository

from greenloop.builds.judge import Progress
from greenloop.builds.scripted import ScriptedJudge
from greenloop.mining.commits.trees import CommitTrees
from greenloop.mining.rules import Rules
from greenloop.mining.sources.commits import UNIT, CommitSource
from greenloop.records import InfrastructureError, Status, Suite, TreeId, Verdict
from greenloop.workspace.store import TreeStore
from greenloop.workspace.vcs import open_history

COMMITS, BATCH = 12, 5
Make = Callable[[ScriptedJudge], CommitSource]


class Batches(ScriptedJudge):
    """Calls every tree green, but for a fault in the batch of number ``fault``."""

    def __init__(self, fault: int = -1) -> None:
        super().__init__({}, otherwise=Status.GREEN)
        self.sizes: list[int] = []
        self._fault = fault

    def judge_many(
        self, trees: Iterable[TreeId], suite: Suite, progress: Progress | None = None
    ) -> dict[TreeId, Verdict]:
        distinct = tuple(dict.fromkeys(trees))
        self.sizes.append(len(distinct))
        if len(self.sizes) - 1 == self._fault:
            raise InfrastructureError("the machine is gone")
        return super().judge_many(distinct, suite, progress)


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory) -> Make:
    """Return a function that makes a source over one repository, written by ``git fast-import``."""
    folder: Path = tmp_path_factory.mktemp("large")
    repo = Repository("git", folder / "repo")
    script = []
    for number in range(COMMITS):
        text = f"let x = {number}\n"
        script.append(
            f"commit refs/heads/main\ncommitter Ada <ada@example.org> {1_700_000_000 + number} +0000\n"
            f"data 23\nChange the number again{chr(10)}M 100644 inline a.ml\ndata {len(text)}\n{text}\n"
        )
    repo("fast-import", "--quiet", given="".join(script).encode())
    store = TreeStore(folder / "trees")

    def source(judge: ScriptedJudge) -> CommitSource:
        trees = CommitTrees(repo.root, store, max_file_bytes=1_000_000)
        history = open_history(repo.root, "main")
        return CommitSource(
            history, trees, store, judge, Suite.CHECK, workspace="w", rules=Rules(confirmations=1), batch=BATCH
        )

    return source


def test_batches_are_judged_and_told(make: Make) -> None:
    judge, told = Batches(), list[tuple[int, int]]()
    source = make(judge)
    examples = list(source.examples(lambda done, of: told.append((done, of))))
    assert len(examples) == COMMITS - 1
    assert [one.time for one in examples] == sorted(one.time for one in examples)
    assert len(judge.sizes) == 3
    assert max(judge.sizes) <= BATCH + 1
    assert told == sorted(told)
    assert told[-1] == (COMMITS, COMMITS)
    assert source.funnel().seen(UNIT) == COMMITS


def test_examples_come_before_the_history_is_read_to_its_end(make: Make) -> None:
    source = make(Batches())
    assert next(source.examples()).workspace == "w"
    assert source.funnel().seen(UNIT) < COMMITS


def test_a_fault_is_raised_and_the_next_run_gives_the_same(make: Make) -> None:
    before: list[str] = []

    def take(source: CommitSource) -> None:
        before.extend(one.to_json() for one in source.examples())

    with pytest.raises(InfrastructureError):
        take(make(Batches(fault=1)))
    whole = [one.to_json() for one in make(Batches()).examples()]
    assert len(whole) == COMMITS - 1
    assert 0 < len(before) < len(whole)
    assert whole[: len(before)] == before
