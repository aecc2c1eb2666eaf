"""What became of one snapshot: the rule that merged or dropped it, or the examples that hold it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from greenloop.mining.account import Account, Fate, Seen
from greenloop.mining.changed import changed_files
from greenloop.mining.nominate import AMONG_GREENS
from greenloop.mining.states import EQUAL, LOST, SAMENESSES
from greenloop.records import Origin, Snapshot, Status, TreeId
from greenloop.workspace.store import TreeStore


@dataclass(frozen=True, slots=True)
class RunPart:
    """The run of red that a state is in, or ends (``ends``), by its snapshots.

    ``rule`` dropped the run. ``counts`` is why the red counts, empty where it does not, and of a green.
    """

    first_seq: int
    last_seq: int
    ends: bool
    rule: str
    counts: str


@dataclass(frozen=True, slots=True)
class Candidacy:
    """A candidate from the red ``base_seq`` to one of ``target_seqs``.

    It was dropped by ``rule``, or is ``example``. ``smaller``: the example holds less than what was done.
    """

    origin: Origin
    base_seq: int
    target_seqs: tuple[int, ...]
    rule: str
    example: str
    smaller: bool


@dataclass(frozen=True, slots=True)
class Why:
    """What became of the snapshot ``seq``.

    ``left_out`` is the rule by which it is in no state at all, and nothing but its place and tree is told then.
    ``merged_by`` is the rule by which it goes on with the state before it; ``cut`` what began its stretch, where it is
    the stretch's first. ``first_seq`` and ``last_seq`` are the snapshots of its state; ``status``, ``error`` and
    ``clear`` are the judge's word on that.
    """

    workspace: str
    seq: int
    time: float
    tree: TreeId
    left_out: str = ""
    cut: str = ""
    merged_by: str = ""
    first_seq: int = 0
    last_seq: int = 0
    status: str = ""
    error: str = ""
    clear: bool = False
    run: RunPart | None = None
    candidates: tuple[Candidacy, ...] = ()

    def sentences(self) -> Iterator[str]:
        """Yield the same in words."""
        if self.left_out:
            yield f"It was not looked at: {self.left_out}."
            return
        if self.merged_by:
            yield f"{self.merged_by}: it goes on with the state of the snapshots {self.first_seq} to {self.last_seq}."
        elif self.cut:
            yield f"It begins a stretch ({self.cut}): no pair reaches back across it."
        else:
            yield f"It begins a state, which lasts to snapshot {self.last_seq}."
        yield f"The state is {self.status}{': ' + self.error if self.error else ''}."
        if not self.clear:
            yield "That says nothing clear, so the state is passed over."
        elif self.run is None:
            yield "It ends no run of red, so there is nothing in it that was mended."
        else:
            yield from self._of_run(self.run)
        for one in self.candidates:
            yield _said(one)

    def _of_run(self, run: RunPart) -> Iterator[str]:
        if run.ends:
            yield f"It ends the run of red of the snapshots {run.first_seq} to {run.last_seq}."
        else:
            yield f"It is in the run of red of the snapshots {run.first_seq} to {run.last_seq}."
            why = f"It counts: {run.counts}" if run.counts else "It does not count: half-typed, by all that is known"
            yield f"{why}."
        if run.rule:
            yield f"The run was dropped: {run.rule}."


def why(account: Account, snapshots: Sequence[Snapshot], seq: int, store: TreeStore) -> Why:
    """Return what became of the snapshot ``seq``, one of ``snapshots``: those of the workspace of ``account``."""
    place = next(place for place, one in enumerate(snapshots) if one.seq == seq)
    snapshot, seen = snapshots[place], account.holding(seq)
    if seen is None:
        among = all(one.reported is Status.GREEN for one in snapshots[max(0, place - 1) : place + 2])
        rule = AMONG_GREENS if among else LOST
        return Why(snapshot.workspace, seq, snapshot.time, snapshot.tree, left_out=rule)
    state = seen.state
    first = state == seen.stretch.states[0] and seq == state.first_seq
    merged_by = "" if seq == state.first_seq else _merged_by(store, snapshots[place - 1].tree, snapshot.tree)
    error = next(iter(seen.verdict.errors), None)
    return Why(
        workspace=snapshot.workspace,
        seq=seq,
        time=snapshot.time,
        tree=snapshot.tree,
        cut=seen.stretch.cut if first else "",
        merged_by=merged_by,
        first_seq=state.first_seq,
        last_seq=state.last_seq,
        status=seen.verdict.status.value,
        error="" if error is None else f"{error.path or 'the build'}: {error.message.partition(chr(10))[0]}",
        clear=seen.clear,
        run=_run(account, seen),
        candidates=tuple(map(_candidacy, account.fates_of(state))),
    )


def _merged_by(store: TreeStore, before: TreeId, tree: TreeId) -> str:
    if before == tree:
        return EQUAL
    files = changed_files(store.changes(before, tree), store.read_blob)
    return next(rule.name for rule in SAMENESSES if all(map(rule.holds, files)))


def _run(account: Account, seen: Seen) -> RunPart | None:
    found = account.run_of(seen.state)
    if found is None:
        return None
    run, rule = found
    ends = run.green == seen.state
    return RunPart(
        first_seq=run.reds[0].first_seq,
        last_seq=run.reds[-1].last_seq,
        ends=ends,
        rule=rule,
        counts="" if ends else account.counts(run, seen.state),
    )


def _candidacy(fate: Fate) -> Candidacy:
    lesson = fate.lesson
    return Candidacy(
        origin=lesson.origin,
        base_seq=lesson.red.first_seq,
        target_seqs=tuple(one.first_seq for one in lesson.targets),
        rule=fate.rule,
        example="" if fate.example is None else fate.example.id,
        smaller=fate.example != fate.mined,
    )


def _said(one: Candidacy) -> str:
    ends = " or ".join(map(str, one.target_seqs))
    words = {
        Origin.EPISODE: "the fix",
        Origin.EARLIER: "an earlier fix",
        Origin.SUBFIX: "a step",
        Origin.SHRINKING: "a step",
    }
    candidate = f"As {words[one.origin]} from snapshot {one.base_seq} to {ends}"
    if one.rule:
        return f"{candidate} it was dropped: {one.rule}{f' ({one.example})' if one.example else ''}."
    rest = ", with what its error asked for alone" if one.smaller else ""
    return f"{candidate} it is the example {one.example}{rest}."
