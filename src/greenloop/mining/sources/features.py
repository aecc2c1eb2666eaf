"""Features as a source: each is split, and its green pieces become examples."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from greenloop.builds.judge import Judge
from greenloop.mining.confirming import unsteady
from greenloop.mining.dropped import LeftOut, Note, note_nothing
from greenloop.mining.filters import AT_THE_END, DUPLICATE, FLAKY, UNPROVEN, keeping
from greenloop.mining.funnel import Funnel, Tally
from greenloop.mining.own import NOTHING, Accepted
from greenloop.mining.rules import Rules
from greenloop.mining.sources.seam import Tell
from greenloop.mining.split.examples import examples_of
from greenloop.mining.split.split import Progress, Split, Splitter
from greenloop.records import Example, Feature, Suite, TreeId
from greenloop.workspace.store import TreeStore

FEATURES = "features"
PIECES = "pieces"
UNSPLIT = "not split: nothing changed, or an end is not green"


@dataclass(frozen=True, slots=True)
class Named:
    """A feature, the workspace that it belongs to, and the name that its examples share."""

    feature: Feature
    workspace: str
    episode: str = ""


def plan(rules: Rules) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return the rules by what they drop, for a tally."""
    names = (UNPROVEN, *(rule.name for rule in keeping(rules)), *AT_THE_END)
    return ((FEATURES, (UNSPLIT,)), (PIECES, names))


class Pieces:
    """Splits one feature after another, and counts in ``tally`` by ``plan``; the examples are not confirmed yet.

    ``note`` is told of each feature and piece that is left out.
    """

    def __init__(
        self,
        store: TreeStore,
        judge: Judge,
        suite: Suite,
        tally: Tally,
        *,
        rules: Rules,
        accepted: Accepted = NOTHING,
        note: Note = note_nothing,
    ) -> None:
        self._store = store
        self._judge = judge
        self._suite = suite
        self._tally = tally
        self._rules = rules
        self._accepted = accepted
        self._note = note
        self._splitter = Splitter(store, judge, suite, rules=rules)

    def of(self, named: Named, tell: Progress | None = None) -> tuple[Split, tuple[Example, ...]]:
        """Return how a feature was split, and the examples that its pieces make."""
        self._tally.see(FEATURES)
        split = self._splitter.split(named.feature, tell)
        if split.unsplit:
            self.drop(FEATURES, UNSPLIT, named, named.feature.base, named.feature.target)
            return split, ()
        taken = examples_of(
            self._store, self._judge, self._suite, split,
            workspace=named.workspace, episode=named.episode, rules=self._rules, accepted=self._accepted,
        )  # fmt: skip
        self._tally.see(PIECES, len(split.pieces))
        for piece, name in taken.dropped:
            self.drop(PIECES, name, named, piece.base, piece.target)
        return split, taken.examples

    def drop(self, unit: str, rule: str, named: Named, base: TreeId, target: TreeId) -> None:
        """Count and note what ``rule`` keeps out: a feature, or the piece from ``base`` to ``target``."""
        self._tally.drop(unit, rule)
        what = named.feature.source or named.feature.title
        self._note(LeftOut(rule=rule, unit=unit, workspace=named.workspace, what=what, base=base, target=target))


class FeatureSource:
    """The pieces of ``features``. ``splits`` holds how each was split, once its examples were asked for.

    ``accepted`` is what people took over from Greenloop's suggestions: no example holds it. ``note`` is told
    of each feature and piece that is left out.
    """

    def __init__(
        self,
        features: Iterable[Named],
        store: TreeStore,
        judge: Judge,
        suite: Suite,
        *,
        rules: Rules,
        accepted: Accepted = NOTHING,
        note: Note = note_nothing,
    ) -> None:
        self._features = tuple(features)
        self._judge = judge
        self._rules = rules
        self._tally = Tally(plan(rules))
        self._pieces = Pieces(store, judge, suite, self._tally, rules=rules, accepted=accepted, note=note)
        self._made: set[str] = set()
        self.splits: list[Split] = []

    def examples(self, tell: Tell | None = None) -> Iterator[Example]:
        """See ``Source``; what is told are fragments of the feature at hand."""
        for named in self._features:
            split, found = self._pieces.of(named, tell)
            self.splits.append(split)
            flaky = unsteady(found, self._judge, self._rules)
            for one in found:
                if one.id in self._made:
                    self._pieces.drop(PIECES, DUPLICATE, named, one.base, one.target)
                elif one.id in flaky:
                    self._pieces.drop(PIECES, FLAKY, named, one.base, one.target)
                else:
                    self._made.add(one.id)
                    yield one

    def funnel(self) -> Funnel:
        """See ``Source``."""
        return self._tally.funnel()
