"""Quotas hold, take no more than they must, and do not depend on the order."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from greenloop.datasets.build import Choice, build
from greenloop.datasets.quotas import quotas
from greenloop.datasets.rule import Rendered, select
from greenloop.records import Category, DeleteFile, Edit, Example, InputError, Suite
from greenloop.workspace.store import TreeStore

Write = Callable[..., Example]
Program = Callable[..., str]


def example(number: int, author: str, paths: tuple[str, ...]) -> Rendered:
    one = Example(
        id=f"{number:016x}", workspace=f"of {author}", author=author, time=number, base=f"{number:040x}",
        target=f"{number + 1:040x}", edit=Edit(files=tuple(DeleteFile(path=path) for path in paths)), prompt="",
        description="", diagnostics=(), category=Category.TYPE, changed_lines=1, toolchain="t", suite=Suite.CHECK,
    )  # fmt: skip
    return Rendered(one, (), ())


EXAMPLES = st.lists(st.tuples(st.sampled_from("abc"), st.sets(st.sampled_from("xyz"), min_size=1)), max_size=40)


@settings(deadline=None, max_examples=60)
@given(EXAMPLES, st.integers(0, 5), st.integers(0, 5))
def test_quotas_hold_and_the_order_does_not_matter(
    drawn: list[tuple[str, set[str]]], per_author: int, per_file: int
) -> None:
    given_ = [example(n, author, tuple(sorted(paths))) for n, (author, paths) in enumerate(drawn)]
    rules = quotas(per_author=per_author, per_file=per_file)
    found = select(given_, rules)
    assert len(found.kept) + len(found.dropped) == len(given_)
    authors = Counter(one.example.author for one in found.kept)
    files = Counter((one.example.author, path) for one in found.kept for path in one.example.edit.paths)
    assert not per_author or max(authors.values(), default=0) <= per_author
    assert not per_file or max(files.values(), default=0) <= per_file
    again = select(given_[::-1], rules)
    assert {one.example.id for one in again.kept} == {one.example.id for one in found.kept}
    # whoever has few loses none of them to the quota by author
    few = {author for author, count in Counter(one.example.author for one in given_).items() if count <= per_author}
    gone = {one.id for one in found.dropped if one.rule.endswith("author")}
    assert not gone & {one.example.id for one in given_ if one.example.author in few}


def test_a_quota_is_counted_on_the_card(store: TreeStore, change: Write, program: Program, tmp_path: Path) -> None:
    given_ = [
        change(
            {f"m{n % 2}.ml": f"let a{n} = {n}\n" + program(n)},
            {f"m{n % 2}.ml": f"let b{n} = {n * n} + {n}\n" + program(n)},
            author="busy" if n < 8 else f"person {n}",
            time=n,
        )
        for n in range(12)
    ]
    made = build(given_, store, tmp_path / "one", choice=Choice(max_per_author=5))
    assert made.card.authors == {"busy": 5, **{f"person {n}": 1 for n in (8, 9, 10, 11)}}
    assert made.card.funnel.dropped("over 5 of one author") == 3
    made = build(given_, store, tmp_path / "two", choice=Choice(max_per_file=1))
    assert made.card.authors["busy"] == 2
    assert {one.because for one in made.dropped()} == {"1 others of this file were drawn"}


def test_a_quota_below_zero_is_refused() -> None:
    with pytest.raises(InputError, match="no quota"):
        quotas(per_author=-1)
