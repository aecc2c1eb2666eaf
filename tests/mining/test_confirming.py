"""What a source lets through: each example once, and none whose ends come out otherwise when they are judged again."""

from collections import Counter

from greenloop.builds.scripted import ScriptedJudge
from greenloop.mining.confirming import Confirming, flaky
from greenloop.mining.filters import DUPLICATE, FLAKY
from greenloop.mining.funnel import Tally
from greenloop.mining.rules import Rules
from greenloop.records import Category, Edit, Example, Status, Suite, TreeId

RULES = Rules(confirmations=3)


def example(number: int) -> Example:
    return Example(
        id=f"{number:016x}", workspace="w", author="ada", time=1.0, base=f"{2 * number:040x}",
        target=f"{2 * number + 1:040x}", edit=Edit(files=()), prompt="fix it", description="", diagnostics=(),
        category=Category.OTHER, changed_lines=1, toolchain="t", suite=Suite.CHECK,
    )  # fmt: skip


def judge(wavering: TreeId) -> ScriptedJudge:
    """Green, but for a tree that times out when it is judged for the third time."""
    asked: Counter[TreeId] = Counter()

    def answer(tree: TreeId, _suite: Suite) -> Status:
        asked[tree] += 1
        return Status.TIMEOUT if tree == wavering and asked[tree] == RULES.confirmations else Status.GREEN

    return ScriptedJudge(answer)


def test_either_end_makes_an_example_flaky() -> None:
    one, other = example(1), example(2)
    for end in (one.base, one.target):
        assert flaky((one, other), judge(end), Suite.CHECK, RULES) == {one.id}
        assert flaky((one, other), judge(end), Suite.CHECK, Rules(confirmations=2)) == frozenset()


def test_each_is_let_through_once_and_what_is_not_is_counted_under_its_unit() -> None:
    tally = Tally((("candidates", (DUPLICATE, FLAKY)), ("pieces", (DUPLICATE, FLAKY))))
    first, second, wavering = example(1), example(2), example(3)
    confirming = Confirming(judge(wavering.target), Suite.CHECK, RULES, tally)
    batches = (
        [("candidates", first), ("pieces", wavering), ("candidates", second), ("pieces", second)],
        [("candidates", first)],
    )
    for unit, _ in (one for batch in batches for one in batch):
        tally.see(unit)
    assert [one.id for batch in batches for one in confirming.kept(batch)] == [first.id, second.id]
    steps = {(step.unit, step.name): step.dropped for step in tally.funnel().steps}
    assert steps == {
        ("candidates", DUPLICATE): 1, ("candidates", FLAKY): 0, ("pieces", DUPLICATE): 1, ("pieces", FLAKY): 1,
    }  # fmt: skip
