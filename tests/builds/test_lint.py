"""Cheap greens are named; moving code, comments, strings and honest small edits are not."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from greenloop.builds.lint import flags
from greenloop.records import TreeId
from greenloop.workspace.store import Entry, Mode, TreeStore

Check = Callable[[Mapping[str, str], Mapping[str, str]], tuple[str, ...]]

SUM = "let rec sum xs = match xs with\n  | [] -> 0\n  | h :: t -> h ^ sum t\n\nlet _ = print_int (sum [1; 2])\n"


@pytest.fixture
def check(tmp_path: Path) -> Check:
    """Return the flags of the edit between two sets of files."""
    store = TreeStore(tmp_path / "store")

    def tree(files: Mapping[str, str]) -> TreeId:
        return store.write_tree({p: Entry(Mode.FILE, store.write_blob(t.encode())) for p, t in files.items()})

    return lambda old, new: flags(store, tree(old), tree(new))


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("h ^ sum t", "h + sum t", ()),
        ("h ^ sum t", 'failwith "TODO"', ("stub",)),
        ("h ^ sum t", "assert false", ("stub",)),
        ("h ^ sum t", "assert (h > 0); h + sum t", ()),
        ("h ^ sum t", "Obj.magic 0", ("stub",)),
        ("h ^ sum t", "Obj . repr 0", ("stub",)),
        ("h ^ sum t", "raise Not_found", ("stub",)),
        ("h ^ sum t", 'invalid_arg "sum"', ("stub",)),
        ("h ^ sum t", "(* failwith *) h + sum t", ()),
        ("h ^ sum t", 'String.length "failwith" + sum t', ()),
        ("h ^ sum t", "String.length {|raise|} + sum t", ()),
        ("h ^ sum t", "exit 0", ("exit",)),
        ("h ^ sum t", "(at_exit (fun () -> Unix._exit 0); h)", ("exit",)),
        ("h ^ sum t", "((h [@warning \"-8\"]) + sum t)", ("silenced-warning",)),
        ("h ^ sum t", "(try h + sum t with _ -> 0)", ("swallow",)),
        ("h ^ sum t", "(try h + sum t with | _ -> 0)", ("swallow",)),
        ("h ^ sum t", "(match h with 0 -> 0 | _ -> h + sum t)", ()),
        ("h ^ sum t", "h ^ (* why? *)\n    sum t", ("unchanged",)),
        ("  | h :: t -> h ^ sum t\n", "", ("deletion",)),
        ("  | h :: t -> h ^ sum t\n", "  (* | h :: t -> h ^ sum t *)\n", ("deletion",)),
        ("print_int (sum [1; 2])", "()", ("deletion",)),
        ("[1; 2]", "[1]", ()),
        ("print_int (sum [1; 2])", "print_int sum [1; 2]", ()),
    ],
)  # fmt: skip
def test_a_change_of_one_definition(check: Check, old: str, new: str, expected: tuple[str, ...]) -> None:
    assert SUM.count(old) == 1
    assert check({"a.ml": SUM}, {"a.ml": SUM.replace(old, new)}) == expected


def test_external_and_floating_attributes(check: Check) -> None:
    assert check({"a.ml": SUM}, {"a.ml": "external cast : 'a -> 'b = \"%identity\"\n" + SUM}) == ("external",)
    assert check({"a.ml": SUM}, {"a.ml": '[@@@ocaml.warning "-a"]\n' + SUM}) == ("silenced-warning",)


def test_code_that_moves_is_not_flagged(check: Check) -> None:
    stub = 'let later () = failwith "not yet"\n'
    assert check({"a.ml": stub + SUM}, {"a.ml": SUM + stub}) == ()
    assert check({"a.ml": stub + SUM}, {"a.ml": SUM, "b.ml": stub}) == ()
    assert check({"a.ml": stub + SUM}, {"a.ml": stub + stub.replace("later", "sooner") + SUM}) == ("stub",)


def test_a_deleted_or_emptied_file_is_a_deletion(check: Check) -> None:
    assert check({"a.ml": SUM, "b.ml": "let x = 1\n"}, {"b.ml": "let x = 1\n"}) == ("deletion",)
    assert check({"a.ml": SUM}, {"a.ml": ""}) == ("deletion",)


def test_other_languages_get_the_generic_rules(check: Check) -> None:
    old = "def total(xs):\n    return sum(xs) + 'a'\n"
    assert check({"a.py": old}, {"a.py": old.replace(" + 'a'", "")}) == ()
    assert check({"a.py": old}, {"a.py": "def total(xs):\n    raise NotImplementedError\n"}) == ("stub",)
    assert check({"a.py": old}, {"a.py": old.replace("'a'", "'a'  # type: ignore")}) == ("silenced-warning",)
    assert check({"a.py": old}, {"a.py": ""}) == ("deletion",)
    assert check({"a.py": old}, {"a.py": old + "\n\n"}) == ("unchanged",)
