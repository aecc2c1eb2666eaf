"""Which attempt comes first."""

from greenloop.candidates.attempt import Attempt, Outcome
from greenloop.candidates.ranking import changed_tokens, distinct, merit, ranked
from greenloop.records import Block, DeleteFile, Edit, ReplaceBlocks, Rung, Stage, StageResult, Status, Suite, Verdict
from greenloop.records import WriteFile as Write


def edit(old: str, new: str) -> Edit:
    return Edit(files=(ReplaceBlocks(path="a.ml", blocks=(Block(search=old, replace=new),)),))


SMALL = edit("let f x = x + 1\n", "let f x = x +. 1.\n")
LARGE = edit("let f x = x + 1\n", "let f y z = let u = y * z in g u\n")


def attempt(index: int, tree: str, **known: object) -> Attempt:
    """A judged attempt that fixed its tree by ``SMALL``, unless ``known`` says otherwise."""
    verdict = Verdict(
        tree=tree * 40, toolchain="t", suite=Suite.CHECK, status=Status.GREEN,
        stages=(StageResult(stage=Stage.PARSE, status=Status.GREEN, seconds=0),),
    )  # fmt: skip
    usual: dict[str, object] = {
        "source": "m", "outcome": Outcome.JUDGED, "edit": SMALL, "rung": Rung.EXACT, "result": tree * 40,
        "verdict": verdict, "fixed": True, "changed_lines": 1,
    }  # fmt: skip
    return Attempt.model_validate({"index": index} | usual | known)


def order(*attempts: Attempt) -> list[int]:
    return [one.index for one in ranked(distinct(attempts))]


def test_equal_trees_become_one_that_counts_their_votes() -> None:
    sampled = attempt(0, "a", rung=Rung.BLANKS)
    greedy = attempt(1, "a", greedy=True)
    searched = attempt(2, "a", source="search", likelihood=-1.5)
    other = attempt(3, "b")
    one, two = distinct((sampled, greedy, searched, other))
    # the most literal one speaks for them
    assert (one.index, one.votes, one.greedy, one.likelihood) == (1, 3, True, -1.5)
    assert (two.index, two.votes) == (3, 1)


def test_what_more_proposals_agree_on_comes_first() -> None:
    assert order(attempt(0, "a"), attempt(1, "b"), attempt(2, "b")) == [1, 0]


def test_a_model_and_the_search_that_agree_beat_either_alone() -> None:
    model, sure = attempt(0, "a"), attempt(1, "b", source="search", likelihood=-1.0)
    agreed = (attempt(2, "c"), attempt(3, "c", source="search", likelihood=-2.5))
    assert order(model, sure, *agreed)[0] == 2


def test_the_likelier_of_two_that_the_search_found_comes_first() -> None:
    first = attempt(0, "a", source="search", likelihood=-4.0)
    second = attempt(1, "b", source="search", likelihood=-0.5)
    assert order(first, second) == [1, 0]


def test_a_models_fix_comes_before_what_only_the_search_found() -> None:
    searched = attempt(0, "a", source="search", likelihood=-0.3)
    assert order(searched, attempt(1, "b", reply="…")) == [1, 0]


def test_of_two_changes_the_smaller_comes_first_though_both_take_a_line() -> None:
    assert order(attempt(0, "a", edit=LARGE), attempt(1, "b")) == [1, 0]


def test_what_is_mistrusted_or_not_fixed_is_never_first_however_likely() -> None:
    stub = attempt(0, "a", flags=("stub",), fixed=False, likelihood=0.0)
    flagged = attempt(1, "b", flags=("tamper",), likelihood=0.0, votes=9)
    red = attempt(2, "c", fixed=False, likelihood=0.0, votes=9)
    honest = attempt(3, "d", likelihood=-9.0)
    assert order(stub, flagged, red, honest)[:2] == [3, 2]


def test_the_size_of_a_change_is_counted_in_tokens() -> None:
    assert changed_tokens(SMALL) == 4
    assert changed_tokens(None) == 0
    assert changed_tokens(edit("(* a *) let x = 1\n", "let   x = 1 (* b c *)\n")) == 0
    assert changed_tokens(Edit(files=(Write(path="b.ml", content="let x = 1\n"),))) == 4
    whole = Edit(files=(DeleteFile(path="b.ml"),))
    assert merit(attempt(0, "a", edit=whole)) < merit(attempt(0, "a", edit=LARGE)) < merit(attempt(0, "a"))
