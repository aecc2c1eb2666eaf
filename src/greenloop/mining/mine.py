"""Mining: from the histories of workspaces to proven examples."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from greenloop.builds.judge import Judge, Progress
from greenloop.mining import episodes, filters, nominate, states
from greenloop.mining.confirming import flaky
from greenloop.mining.episodes import UNCLEAR, Lesson, is_clear, lessons, runs
from greenloop.mining.example import Proposal, example_of
from greenloop.mining.funnel import Funnel, Tally
from greenloop.mining.minimise.minimise import Minimised, Minimiser
from greenloop.mining.nominate import Window, windows
from greenloop.mining.rules import Rules
from greenloop.mining.states import Nominated, Stretch, clean
from greenloop.mining.trace import Trace
from greenloop.records import Episode, Example, Origin, Suite, TreeId, Verdict, Workspace
from greenloop.snapshots.store import SnapshotStore
from greenloop.workspace.crew import Crew
from greenloop.workspace.store import TreeStore

_STATES = "states"
_GROUP_SNAPSHOTS = 10_000
"""Snapshots that are in memory at a time, and one window more."""
_BATCH_STATES = 2000
"""States judged at a time: enough to keep all workers busy, few enough to hold their verdicts in memory."""


@dataclass(frozen=True, slots=True)
class MiningResult:
    """The examples in the order of workspaces and time, the episodes of the whole fixes, and what every rule dropped.

    ``trees`` counts distinct trees judged by status; ``cuts`` counts the beginnings of stretches by reason.
    """

    examples: tuple[Example, ...]
    episodes: tuple[Episode, ...]
    funnel: Funnel
    trees: dict[str, int]
    cuts: dict[str, int]
    minimised: Minimised


def mine(
    snapshots: SnapshotStore,
    judge: Judge,
    store: TreeStore,
    suite: Suite,
    *,
    rules: Rules | None = None,
    accepted: frozenset[TreeId] = frozenset(),
    workspaces: Iterable[Workspace] | None = None,
    workers: int = 1,
    progress: Progress | None = None,
    trace: Trace | None = None,
) -> MiningResult:
    """Mine the fixes, and the steps towards them, of ``workspaces`` (all of ``snapshots`` unless given).

    ``accepted`` are the trees that people accepted from Greenloop's suggestions: they are no examples. Every verdict
    comes from ``judge``. Beside the judge, ``workers`` processes turn what was found into examples; the result does
    not depend on their number (see ``workspace.crew``). ``progress`` is called with (trees judged, trees found so far).
    ``trace`` watches what becomes of everything. Raises ``InfrastructureError`` when a verdict could not be reached.
    """
    chosen = snapshots.workspaces() if workspaces is None else tuple(workspaces)
    with Crew(store, workers) as crew:
        miner = _Miner(
            judge=judge, store=store, suite=suite, rules=rules or Rules(), accepted=accepted, crew=crew,
            progress=progress, trace=trace or Trace(),
        )  # fmt: skip
        miner.run(chosen, snapshots)
        return miner.result()


class _Miner:
    """The state of one mining pass: a batch of stretches at a time, never a whole history."""

    def __init__(
        self,
        *,
        judge: Judge,
        store: TreeStore,
        suite: Suite,
        rules: Rules,
        accepted: frozenset[TreeId],
        crew: Crew,
        progress: Progress | None,
        trace: Trace,
    ) -> None:
        self._judge = judge
        self._store = store
        self._suite = suite
        self._rules = rules
        self._accepted = accepted
        self._crew = crew
        self._progress = progress
        self._trace = trace
        names = (*(rule.name for rule in filters.filters(rules)), filters.LEAKING, filters.DUPLICATE, filters.FLAKY)
        plan = ((nominate.UNIT, states.NAMES), (_STATES, (UNCLEAR,)), (episodes.UNIT, episodes.NAMES))
        self._tally = Tally((*plan, (filters.UNIT, names)))
        self._waiting: list[tuple[list[Lesson], Iterator[Example | str]]] = []
        self._examples: dict[str, Example] = {}
        self._episodes: dict[str, Episode] = {}
        self._cuts: Counter[str] = Counter()
        self._statuses: Counter[str] = Counter()
        self._seen: set[TreeId] = set()
        self._judged = 0
        self._minimised = Minimised()

    def run(self, workspaces: Iterable[Workspace], snapshots: SnapshotStore) -> None:
        batch: list[Stretch] = []
        for stretch in self._stretches(workspaces, snapshots):
            self._cuts[stretch.cut] += 1
            batch.append(stretch)
            if sum(len(held.states) for held in batch) >= _BATCH_STATES:
                self._handle(batch)
                batch = []
        self._handle(batch)
        self._collect(0)
        self._minimise()
        self._confirm()
        self._tell(0, 0)

    def result(self) -> MiningResult:
        return MiningResult(
            examples=tuple(self._examples.values()),
            episodes=tuple(self._episodes[id_] for id_ in self._examples if id_ in self._episodes),
            funnel=self._tally.funnel(),
            trees=dict(sorted(self._statuses.items())),
            cuts=dict(sorted(self._cuts.items())),
            minimised=self._minimised,
        )

    def _stretches(self, workspaces: Iterable[Workspace], snapshots: SnapshotStore) -> Iterator[Stretch]:
        group: list[Window] = []
        for workspace in workspaces:
            for window in windows(workspace, snapshots.snapshots(workspace.id), self._rules, self._tally):
                group.append(window)
                if sum(len(held.snapshots) for held in group) >= _GROUP_SNAPSHOTS:
                    yield from self._cleaned(group)
                    group = []
        yield from self._cleaned(group)

    def _cleaned(self, group: list[Window]) -> Iterator[Stretch]:
        nominated = [Nominated(window, self._rules) for window in group]
        for found, funnel in self._crew.map(clean, nominated, chunk=1):
            self._tally.add(funnel)
            yield from found

    def _handle(self, batch: list[Stretch]) -> None:
        trees = tuple(dict.fromkeys(state.tree for stretch in batch for state in stretch.states))
        verdicts = self._judge.judge_many(trees, self._suite, lambda done, _: self._tell(done, len(trees)))
        self._judged += len(trees)
        for tree in trees:
            if tree not in self._seen:
                self._seen.add(tree)
                self._statuses[verdicts[tree].status.value] += 1
        found = [lesson for stretch in batch for lesson in self._lessons(stretch, verdicts)]
        proposals = [self._proposal(lesson, verdicts) for lesson in found]
        self._waiting.append((found, self._crew.map(example_of, proposals)))
        # the crew works on this batch while the next one is judged
        self._collect(1)

    def _proposal(self, lesson: Lesson, verdicts: dict[TreeId, Verdict]) -> Proposal:
        workspace = lesson.run.stretch.workspace
        return Proposal(
            base=verdicts[lesson.red.tree],
            targets=tuple(verdicts[target.tree] for target in lesson.targets),
            origin=lesson.origin,
            workspace=workspace.id,
            author=workspace.author,
            time=lesson.targets[0].start,
            suite=self._suite,
            accepted=self._accepted.intersection(target.tree for target in lesson.targets),
            rules=self._rules,
            episode=lesson.run.name,
        )

    def _collect(self, left: int) -> None:
        """Take the crew's results in order, until at most ``left`` batches are under way."""
        while len(self._waiting) > left:
            found, results = self._waiting.pop(0)
            for lesson, result in zip(found, results, strict=True):
                self._take(lesson, result)

    def _take(self, lesson: Lesson, result: Example | str) -> None:
        self._tally.see(filters.UNIT)
        if isinstance(result, str):
            self._tally.drop(filters.UNIT, result)
            self._trace.candidate(lesson, None, result)
        elif result.id in self._examples:
            self._tally.drop(filters.UNIT, filters.DUPLICATE)
            self._trace.candidate(lesson, result, filters.DUPLICATE)
        else:
            self._trace.candidate(lesson, result, "")
            self._examples[result.id] = result
            if lesson.origin is Origin.EPISODE:
                self._episodes[result.id] = lesson.run.episode()

    def _minimise(self) -> None:
        """Put in the place of each example what its error asked for; two that are equal then are one."""
        if not self._rules.minimise_builds:
            return
        before, episode_of = self._examples, self._episodes
        minimiser = Minimiser(self._judge, self._store, self._suite, self._rules, self._accepted, self._crew)
        found, self._minimised = minimiser.run(tuple(before.values()), self._built)
        self._examples, self._episodes = {}, {}
        fates: list[tuple[Example, Example, str]] = []
        for old, new in zip(before.values(), found, strict=True):
            double = new.id in self._examples
            fates.append((old, new, filters.DUPLICATE if double else ""))
            if double:
                self._tally.drop(filters.UNIT, filters.DUPLICATE)
                continue
            self._examples[new.id] = new
            if old.id in episode_of:
                self._episodes[new.id] = episode_of[old.id]
        self._trace.minimised(fates)

    def _built(self, trees: int) -> None:
        self._judged += trees
        self._tell(0, 0)

    def _confirm(self) -> None:
        """Judge both ends of every example again, and drop those that do not come out alike."""
        differing = flaky(self._examples.values(), self._judge, self._suite, self._rules)
        for id_ in [id_ for id_ in self._examples if id_ in differing]:
            self._tally.drop(filters.UNIT, filters.FLAKY)
            self._trace.dropped(self._examples.pop(id_), filters.FLAKY)

    def _tell(self, done: int, of: int) -> None:
        if self._progress is not None:
            self._progress(self._judged + done, self._judged + of)

    def _lessons(self, stretch: Stretch, verdicts: dict[TreeId, Verdict]) -> Iterator[Lesson]:
        self._tally.see(_STATES, len(stretch.states))
        self._trace.stretch(stretch, verdicts)
        clear = [state for state in stretch.states if is_clear(verdicts[state.tree])]
        for _ in range(len(stretch.states) - len(clear)):
            self._tally.drop(_STATES, UNCLEAR)
        for run in runs(stretch, clear, verdicts):
            self._tally.see(episodes.UNIT)
            found = lessons(run, verdicts, self._rules)
            self._trace.run(run, found if isinstance(found, str) else "")
            if isinstance(found, str):
                self._tally.drop(episodes.UNIT, found)
            else:
                yield from found
