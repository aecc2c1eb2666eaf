"""No example stays whose ends come out otherwise when they are judged again."""

from collections import Counter

from greenloop.builds.scripted import ScriptedJudge
from greenloop.mining.confirming import unsteady
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
        assert unsteady((one, other), judge(end), RULES) == {one.id}
        assert unsteady((one, other), judge(end), Rules(confirmations=2)) == frozenset()
