"""Fixed means fixed: the error gone, nothing new before it, no name lost, small, and no cheap green."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from greenloop.builds.engine import Engine
from greenloop.builds.fixed import Assessment, assess, first_error, names_lost
from greenloop.builds.sandbox import Bubblewrap, Limits
from greenloop.builds.scripted import ScriptedJudge
from greenloop.builds.toolchains.ocaml_file import OcamlFile
from greenloop.builds.verdicts import VerdictStore
from greenloop.records import (
    Category,
    Diagnostic,
    InfrastructureError,
    InputError,
    Severity,
    Span,
    Status,
    Suite,
    TreeId,
    Verdict,
)
from greenloop.workspace.store import Entry, Mode, TreeStore

FIRST = "let double x = x ^ x\nlet twice = double 2\n"
SECOND = "let half x = x / 2\n"
THIRD = "let half x = x // 2\n"


@pytest.fixture
def store(tmp_path: Path) -> TreeStore:
    return TreeStore(tmp_path / "store")


@pytest.fixture
def judge(tmp_path: Path, store: TreeStore) -> Engine:
    """The real compiler in the real sandbox."""
    return Engine(
        store=store,
        verdicts=VerdictStore(tmp_path / "verdicts.sqlite"),
        toolchain=OcamlFile(),
        sandbox=Bubblewrap(limits=Limits(wall_seconds=60)),
        scratch=tmp_path / "scratch",
    )


def tree(store: TreeStore, files: Mapping[str, str]) -> TreeId:
    return store.write_tree({path: Entry(Mode.FILE, store.write_blob(text.encode())) for path, text in files.items()})


def error(path: str | None, line: int | None, message: str = "it is wrong") -> Diagnostic:
    span = None if line is None else Span(line=line, column=0, end_line=line, end_column=1)
    return Diagnostic(severity=Severity.ERROR, category=Category.TYPE, message=message, path=path, span=span)


def verdict(of: TreeId, *errors: Diagnostic, status: Status | None = None) -> Verdict:
    script = ScriptedJudge({}, otherwise=status if status is not None and not errors else errors)
    return script.judge(of, Suite.CHECK)


def real(judge: Engine, store: TreeStore, old: str, new: str, most: int = 10) -> Assessment:
    base, result = tree(store, {"a.ml": old}), tree(store, {"a.ml": new})
    verdicts = judge.judge_many((base, result), Suite.CHECK)
    return assess(store, base, result, verdicts[base], verdicts[result], max_changed_lines=most)


def test_real_verdicts_on_real_edits(judge: Engine, store: TreeStore) -> None:
    good = real(judge, store, FIRST, FIRST.replace("x ^ x", "x + x"))
    assert (good.fixed, good.reason, good.changed_lines, good.flags) == (True, "", 1, ())

    stub = real(judge, store, FIRST, FIRST.replace("x ^ x", 'failwith "x"'))
    assert (stub.fixed, stub.error_gone, stub.flags) == (False, True, ("stub",))

    deleted = real(judge, store, FIRST, FIRST.replace("let twice = double 2\n", ""))
    assert (deleted.fixed, deleted.error_gone, deleted.names_kept) == (False, True, False)
    assert deleted.flags == ("deletion",)

    still = real(judge, store, FIRST, FIRST.replace("double 2", "double 3"))
    assert (still.fixed, still.error_gone) == (False, False)
    assert "a.ml, line 2" in still.reason

    long = real(judge, store, FIRST, FIRST.replace("x ^ x", "x + x") + "let a = 1\nlet b = 2\n", most=2)
    assert (long.fixed, long.changed_lines) == (False, 3)


def test_a_later_error_that_the_compiler_had_not_reached_does_not_count(judge: Engine, store: TreeStore) -> None:
    # OCaml stops at its first error: the second definition was wrong all the time
    both = FIRST + THIRD
    assert real(judge, store, both, both.replace("x ^ x", "x + x")).fixed
    # also when lines move
    assert real(judge, store, both, both.replace("x ^ x", "\n  x\n  + x")).fixed
    # an error in the same definition, or before it, is another matter
    assert not real(judge, store, both, both.replace("double 2", "double ()")).error_gone
    before = real(judge, store, SECOND + FIRST, THIRD + FIRST.replace("x ^ x", "x + x"))
    assert not before.error_gone


def test_a_syntax_error_further_down_hides_an_error_and_does_not_mend_it(judge: Engine, store: TreeStore) -> None:
    before, after = (tree(store, {"a.ml": FIRST + text}) for text in (SECOND, SECOND + "let y = (1\n"))
    red, unparsed = (judge.judge(one, Suite.CHECK) for one in (before, after))
    found = assess(store, before, after, red, unparsed, max_changed_lines=10)
    assert not found.fixed
    assert found.reason == "a.ml no longer parses"


def test_a_name_that_turns_local_in_a_broken_text_is_not_lost(judge: Engine, store: TreeStore) -> None:
    broken = "let f x =\nlet y = x + 1\ny * 2\n"
    fixed = real(judge, store, broken, broken.replace("x + 1", "x + 1 in"))
    assert fixed.fixed, fixed.reason


def test_renaming_a_definition_loses_its_name(store: TreeStore) -> None:
    base = tree(store, {"a.ml": FIRST, "b.mli": "val x : int\n", "c.txt": "let y = 1\n"})
    result = tree(store, {"a.ml": FIRST.replace("twice", "thrice"), "c.txt": ""})
    assert names_lost(store, base, result) == ("twice", "x")


@pytest.mark.parametrize(
    ("after", "gone"),
    [
        ((), True),
        ((error("a.ml", 1),), False),
        ((error("a.ml", 3),), True),
        ((error("a.ml", None),), False),
        ((error("b.ml", 1, "old"),), True),
        ((error("b.ml", 9, "old"),), True),
        ((error("b.ml", 1, "old"), error("b.ml", 2, "old")), False),
        ((error("b.ml", 1, "new"),), False),
        ((error("c.ml", 1, "old"),), False),
        ((error(None, None, "linking failed"),), False),
        ((error("b.ml", 1, "old"), error("a.ml", 3)), True),
    ],
)
def test_what_is_left_decides(store: TreeStore, after: tuple[Diagnostic, ...], gone: bool) -> None:
    base = tree(store, {"a.ml": FIRST + SECOND})
    result = tree(store, {"a.ml": FIRST.replace("x ^ x", "x + x") + SECOND})
    before = verdict(base, error("a.ml", 2), error("b.ml", 1, "old"))
    assert assess(store, base, result, before, verdict(result, *after), max_changed_lines=9).error_gone is gone


@pytest.mark.parametrize("status", [Status.TIMEOUT, Status.REJECTED, Status.RED])
def test_no_other_end_is_a_fix(store: TreeStore, status: Status) -> None:
    base, result = tree(store, {"a.ml": FIRST}), tree(store, {"a.ml": SECOND})
    before = verdict(base, error("a.ml", 1))
    assert not assess(store, base, result, before, verdict(result, status=status), max_changed_lines=9).error_gone


def test_verdicts_that_say_nothing_are_refused(store: TreeStore) -> None:
    base, result = tree(store, {"a.ml": FIRST}), tree(store, {"a.ml": SECOND})
    red, green = verdict(base, error("a.ml", 1)), verdict(result)
    broken = green.model_copy(update={"status": Status.INFRA_ERROR})
    with pytest.raises(InfrastructureError):
        assess(store, base, result, red, broken, max_changed_lines=9)
    with pytest.raises(InputError, match="other trees"):
        assess(store, result, base, red, green, max_changed_lines=9)
    with pytest.raises(InputError, match="not red"):
        assess(store, result, base, green, red, max_changed_lines=9)
    with pytest.raises(InputError, match="no error"):
        first_error(green)


def test_the_first_error_is_the_first_by_place_in_its_file(store: TreeStore) -> None:
    of = tree(store, {"a.ml": FIRST})
    seen = first_error(verdict(of, error("b.ml", 5, "late"), error("a.ml", 1), error("b.ml", 2, "early")))
    assert (seen.path, seen.message) == ("b.ml", "early")
