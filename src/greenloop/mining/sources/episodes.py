"""Histories of workspaces as a source: runs of red between greens, as the snapshots of a workspace tell them."""

from collections import Counter
from collections.abc import Iterable, Iterator

from greenloop.builds.judge import Judge
from greenloop.mining import episodes, filters, nominate, states
from greenloop.mining.confirming import unsteady
from greenloop.mining.episodes import Lesson, is_clear, lessons, runs
from greenloop.mining.example import Proposal, example_of
from greenloop.mining.funnel import Funnel, Tally
from greenloop.mining.minimise.minimise import Minimised, Minimiser
from greenloop.mining.nominate import Window, windows
from greenloop.mining.own import NOTHING, Accepted
from greenloop.mining.rules import Rules
from greenloop.mining.sources.seam import Tell, tell_nobody
from greenloop.mining.states import UNCLEAR, Nominated, Stretch, clean
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


class EpisodeSource:
    """The fixes, and the steps towards them, of ``workspaces`` (all of ``snapshots`` unless given), by ``judge``.

    ``accepted`` is what people took over from Greenloop's suggestions: no example holds it. Beside the
    judge, ``workers`` processes turn what was found into examples; the result does not depend on their number (see
    ``workspace.crew``). ``trace`` watches what becomes of everything. A batch of stretches is in memory at a time,
    never a whole history.
    """

    def __init__(
        self,
        snapshots: SnapshotStore,
        judge: Judge,
        store: TreeStore,
        suite: Suite,
        *,
        rules: Rules | None = None,
        accepted: Accepted = NOTHING,
        workspaces: Iterable[Workspace] | None = None,
        workers: int = 1,
        trace: Trace | None = None,
    ) -> None:
        self._snapshots = snapshots
        self._judge = judge
        self._store = store
        self._suite = suite
        self._rules = rules or Rules()
        self._accepted = accepted
        self._workspaces = snapshots.workspaces() if workspaces is None else tuple(workspaces)
        self._workers = workers
        self._trace = trace or Trace()
        names = (*(rule.name for rule in filters.filters(self._rules)), *filters.AT_THE_END)
        plan = ((nominate.UNIT, states.NAMES), (_STATES, (UNCLEAR,)), (episodes.UNIT, episodes.NAMES))
        self._tally = Tally((*plan, (filters.UNIT, names)))
        self._waiting: list[tuple[list[Lesson], Iterator[Example | str]]] = []
        self._examples: dict[str, Example] = {}
        self._episodes: dict[str, Episode] = {}
        self._cuts: Counter[str] = Counter()
        self._statuses: Counter[str] = Counter()
        self._seen: set[TreeId] = set()
        self._judged = 0
        self._tell: Tell = tell_nobody
        self.minimised = Minimised()
        """What leaving out came to, once the examples were asked for."""

    def examples(self, tell: Tell | None = None) -> Iterator[Example]:
        """See ``Source``: by workspace and time; what is told are states judged, of those found so far."""
        self._tell = tell or tell_nobody
        with Crew(self._store, self._workers) as crew:
            self._run(crew)
        yield from self._examples.values()

    def funnel(self) -> Funnel:
        """See ``Source``."""
        return self._tally.funnel()

    @property
    def episodes(self) -> tuple[Episode, ...]:
        """The episodes of the whole fixes, in the order of their examples."""
        return tuple(self._episodes[id_] for id_ in self._examples if id_ in self._episodes)

    @property
    def trees(self) -> dict[str, int]:
        """Distinct trees judged, by status."""
        return dict(sorted(self._statuses.items()))

    @property
    def cuts(self) -> dict[str, int]:
        """How many stretches began, by reason."""
        return dict(sorted(self._cuts.items()))

    def _run(self, crew: Crew) -> None:
        batch: list[Stretch] = []
        for stretch in self._stretches(crew):
            self._cuts[stretch.cut] += 1
            batch.append(stretch)
            if sum(len(held.states) for held in batch) >= _BATCH_STATES:
                self._handle(batch, crew)
                batch = []
        self._handle(batch, crew)
        self._collect(0)
        self._minimise(crew)
        self._confirm()
        self._tell(self._judged, self._judged)

    def _stretches(self, crew: Crew) -> Iterator[Stretch]:
        group: list[Window] = []
        for workspace in self._workspaces:
            for window in windows(workspace, self._snapshots.snapshots(workspace.id), self._rules, self._tally):
                group.append(window)
                if sum(len(held.snapshots) for held in group) >= _GROUP_SNAPSHOTS:
                    yield from self._cleaned(group, crew)
                    group = []
        yield from self._cleaned(group, crew)

    def _cleaned(self, group: list[Window], crew: Crew) -> Iterator[Stretch]:
        nominated = [Nominated(window, self._rules) for window in group]
        for found, funnel in crew.map(clean, nominated, chunk=1):
            self._tally.add(funnel)
            yield from found

    def _handle(self, batch: list[Stretch], crew: Crew) -> None:
        trees = tuple(dict.fromkeys(state.tree for stretch in batch for state in stretch.states))
        verdicts = self._judge.judge_many(
            trees, self._suite, lambda done, _: self._tell(self._judged + done, self._judged + len(trees))
        )
        self._judged += len(trees)
        for tree in trees:
            if tree not in self._seen:
                self._seen.add(tree)
                self._statuses[verdicts[tree].status.value] += 1
        found = [lesson for stretch in batch for lesson in self._lessons(stretch, verdicts)]
        proposals = [self._proposal(lesson, verdicts) for lesson in found]
        self._waiting.append((found, crew.map(example_of, proposals)))
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
            accepted=self._accepted,
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

    def _minimise(self, crew: Crew) -> None:
        """Put in the place of each example what its error asked for; two that are equal then are one."""
        if not self._rules.minimise_builds:
            return
        before, episodes = self._examples, self._episodes
        minimiser = Minimiser(self._judge, self._store, self._suite, self._rules, self._accepted, crew)
        found, self.minimised = minimiser.run(tuple(before.values()), self._built)
        self._examples, self._episodes = {}, {}
        fates: list[tuple[Example, Example, str]] = []
        for old, new in zip(before.values(), found, strict=True):
            double = new.id in self._examples
            fates.append((old, new, filters.DUPLICATE if double else ""))
            if double:
                self._tally.drop(filters.UNIT, filters.DUPLICATE)
                continue
            self._examples[new.id] = new
            if old.id in episodes:
                self._episodes[new.id] = episodes[old.id]
        self._trace.minimised(fates)

    def _built(self, trees: int) -> None:
        self._judged += trees
        self._tell(self._judged, self._judged)

    def _confirm(self) -> None:
        """Judge both ends of every example again, and drop those that do not come out alike."""
        flaky = unsteady(self._examples.values(), self._judge, self._rules)
        for one in [one for one in self._examples.values() if one.id in flaky]:
            self._tally.drop(filters.UNIT, filters.FLAKY)
            self._trace.dropped(one, filters.FLAKY)
            del self._examples[one.id]

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
