"""A secret reaches no file of a dataset: not the examples, not the messages, not the trees."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from greenloop.datasets.build import Choice, build
from greenloop.records import Example
from greenloop.snapshots.secrets import Screen, scan
from greenloop.workspace.store import TreeStore

Write = Callable[..., Example]
Program = Callable[..., str]
KEY = "AKIA" + "Z7VQ4NTR2XLKW5HM"
"""The shape of a key, and nobody's: put together here, so that no scanner of sources stumbles over it."""
LINE = f'let key = "{KEY}"\n'


@pytest.fixture
def others(program: Program, change: Write) -> list[Example]:
    return [
        change(f"let a{n} = {n}\n" + program(n), f"let b{n} = {n * n} + {n}\n" + program(n), author=f"p{n % 4}", time=n)
        for n in range(8)
    ]


def everything(folder: Path, tmp_path: Path) -> bytes:
    """Every byte of a dataset, its pack unpacked."""
    repo = tmp_path / "unpacked"
    subprocess.run(["git", "init", "-q", "--bare", str(repo)], check=True)
    with (folder / "trees.pack").open("rb") as pack:
        subprocess.run(["git", "-C", str(repo), "unpack-objects", "-q"], stdin=pack, check=True)
    objects = subprocess.run(
        ["git", "-C", str(repo), "cat-file", "--batch", "--batch-all-objects"], check=True, capture_output=True
    ).stdout
    tables = [str(pq.read_table(path).to_pylist()).encode() for path in folder.glob("*.parquet")]
    return b"".join([objects, *tables, *(path.read_bytes() for path in folder.iterdir())])


SIDES = {
    "a secret in its edit": [
        ({"a.ml": "let x = 1\n"}, {"a.ml": LINE}),
        ({"a.ml": LINE + "let a = 1\n" * 99}, {"a.ml": "let x = 1\n" + "let a = 1\n" * 99}),
        ({"a.ml": "let x = 1\n"}, {"a.ml": "let x = 1\n", "new.ml": LINE}),
        ({"a.ml": "let x = 1\n"}, {"a.ml": "let x = 2\n", "deploy.key": "not much\n"}),
    ],
    "a secret in what is shown": [
        # the file is written anew, so the edit does not spell what it takes away
        ({"a.ml": LINE}, {"a.ml": "let x = 1\n"}),
        ({"a.ml": LINE + "let x = 1 + b\n"}, {"a.ml": LINE + "let x = 1 + c\n"}),
        ({"a.ml": "let f = Conf.key ^ 1\n", "conf.ml": LINE}, {"a.ml": "let f = Conf.key\n", "conf.ml": LINE}),
    ],
    "a secret elsewhere in its trees": [
        ({"a.ml": "let x = y\n", "doc/far.txt": LINE}, {"a.ml": "let x = z\n", "doc/far.txt": LINE}),
        ({"a.ml": "let x = y\n", ".env": "A=1\n"}, {"a.ml": "let x = z\n", ".env": "A=1\n"}),
    ],
}


@pytest.mark.parametrize(("rule", "sides"), [(rule, sides) for rule, held in SIDES.items() for sides in held])
def test_an_example_with_a_secret_is_left_out_and_no_file_holds_it(
    store: TreeStore,
    change: Write,
    others: list[Example],
    tmp_path: Path,
    rule: str,
    sides: tuple[dict[str, str], dict[str, str]],
) -> None:
    assert scan(LINE.encode()) is not None
    leaking = change(*sides, time=3.0, author="p1", message="This expression has type int, see Conf.key")
    made = build([*others, leaking], store, tmp_path / "dataset", choice=Choice(screen=Screen()))
    assert [(one.id, one.rule) for one in made.dropped()] == [(leaking.id, rule)]
    assert made.card.funnel.dropped(rule) == 1
    assert KEY.encode() not in everything(made.folder, tmp_path)
    assert sum(map(len, made.parts.values())) == len(others)


@pytest.mark.parametrize("where", ["message", "prompt", "description"])
def test_a_secret_in_words_is_found(
    store: TreeStore, change: Write, others: list[Example], tmp_path: Path, where: str
) -> None:
    """What the compiler quotes, what a person typed, what rules say of the change."""
    words = {where: f'Unbound value: key = "{KEY}"'}
    leaking = change("let x = y\n", "let x = z\n", time=3.0, **words)
    made = build([*others, leaking], store, tmp_path / "dataset")
    assert [one.rule for one in made.dropped()] == ["a secret in what is shown"]
    assert KEY.encode() not in everything(made.folder, tmp_path)


def test_a_secret_in_an_error_that_is_not_shown_is_found(
    store: TreeStore, change: Write, others: list[Example], tmp_path: Path
) -> None:
    """A prompt shows few of many errors, an example has them all."""
    leaking = change("let x = y\n", "let x = z\n", time=3.0)
    many = [leaking.diagnostics[0].model_copy(update={"message": f"error {n}"}) for n in range(20)]
    last = leaking.diagnostics[0].model_copy(update={"message": f'key = "{KEY}"'})
    leaking = leaking.model_copy(update={"diagnostics": (*many, last)})
    made = build([*others, leaking], store, tmp_path / "dataset")
    assert [one.rule for one in made.dropped()] == ["a secret in what is shown"]
    assert KEY.encode() not in everything(made.folder, tmp_path)


def test_what_a_person_allowed_is_no_secret(
    store: TreeStore, change: Write, others: list[Example], tmp_path: Path
) -> None:
    fixture = change({"a.ml": "let x = y\n", "test/keys.txt": LINE}, {"a.ml": "let x = z\n", "test/keys.txt": LINE})
    allowed = Choice(screen=Screen(allowed=("test/*",)))
    assert build([*others, fixture], store, tmp_path / "dataset", choice=allowed).dropped() == ()
