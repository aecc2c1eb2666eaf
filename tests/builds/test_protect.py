"""Tests, build files and expectations come from the base, whatever an edit did to them."""

from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from greenloop.builds.protect import DEFAULT_GLOBS, matches, restore, where_it_fails
from greenloop.records import Category, Diagnostic, Severity, Stage, StageResult, Status, Suite, TreeId, Verdict
from greenloop.workspace.store import Entry, Mode, TreeStore

BASE = {
    "dune-project": "(lang dune 2.9)",
    "lib/dune": "(library (name lib))",
    "lib/lib.ml": "let x = 1",
    "test/dune": "(test (name t))",
    "test/t.ml": "let () = assert (Lib.x = 2)",
    "lib/out.expected": "2",
    "lib.opam": 'opam-version: "2.0"',
}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> TreeStore:
    return TreeStore(tmp_path_factory.mktemp("protect"))


def tree(store: TreeStore, files: Mapping[str, str]) -> TreeId:
    return store.write_tree({path: Entry(Mode.FILE, store.write_blob(text.encode())) for path, text in files.items()})


@pytest.mark.parametrize(
    ("changes", "restored"),
    [
        ({"lib/lib.ml": "let x = 2"}, ()),
        ({"test/t.ml": "let () = ()"}, ("test/t.ml",)),
        ({"test/t.ml": None, "test/dune": None}, ("test/dune", "test/t.ml")),
        ({"lib/dune": "(enabled_if false)", "dune": "(dirs :standard \\ test)"}, ("dune", "lib/dune")),
        ({"lib/out.expected": "1", "lib.opam": None}, ("lib.opam", "lib/out.expected")),
        ({"dune-project": None}, ("dune-project",)),
    ],
)  # fmt: skip
def test_what_decides_a_verdict_comes_back(
    store: TreeStore, changes: dict[str, str | None], restored: tuple[str, ...]
) -> None:
    hacked = {path: text for path, text in {**BASE, "lib/lib.ml": "let x = 2", **changes}.items() if text is not None}
    result, paths = restore(store, tree(store, BASE), tree(store, hacked))
    assert paths == restored
    assert result == tree(store, {**BASE, "lib/lib.ml": "let x = 2"})


def test_a_file_in_the_place_of_a_protected_folder_gives_way(store: TreeStore) -> None:
    hacked = {path: text for path, text in BASE.items() if not path.startswith("test/")} | {"test": "gone"}
    result, paths = restore(store, tree(store, BASE), tree(store, hacked))
    assert paths == ("test", "test/dune", "test/t.ml")
    assert result == tree(store, BASE)


def test_a_folder_in_the_place_of_a_protected_file_gives_way(store: TreeStore) -> None:
    hacked = {path: text for path, text in BASE.items() if path != "lib/dune"} | {"lib/dune/x.ml": "let y = 1"}
    result, paths = restore(store, tree(store, BASE), tree(store, hacked))
    assert paths == ("lib/dune", "lib/dune/x.ml")
    assert result == tree(store, BASE)


def test_globs() -> None:
    assert matches("dune", ["**/dune"])
    assert matches("a/b/dune", ["**/dune"])
    assert not matches("a/b/dune.ml", ["**/dune"])
    assert matches("test/a/b.ml", ["test/**"])
    assert not matches("latest/a.ml", ["test/**"])
    assert not matches("a/b.opam", ["*.opam"])
    assert matches("a+(1).ml", ["a+(?).ml"])


@settings(deadline=None, max_examples=60)
@given(
    st.dictionaries(st.sampled_from([*BASE, "new.ml", "test/new.ml", "a/dune", "src/x_test.ml"]), st.text(max_size=3))
)
def test_after_restoring_no_protected_file_differs(store: TreeStore, files: dict[str, str]) -> None:
    base, hacked = tree(store, BASE), tree(store, files)
    result, paths = restore(store, base, hacked)
    assert not [change.path for change in store.changes(base, result) if matches(change.path, DEFAULT_GLOBS)]
    assert {change.path for change in store.changes(hacked, result)} == set(paths)
    assert restore(store, base, result) == (result, ())


@pytest.mark.parametrize(("stage", "may_change"), [(Stage.TYPES, {"test/t.ml"}), (Stage.TESTS, set())])
def test_a_test_that_does_not_compile_may_change_and_one_that_fails_may_not(
    store: TreeStore, stage: Stage, may_change: set[str]
) -> None:
    base = tree(store, BASE)
    error = Diagnostic(severity=Severity.ERROR, category=Category.TYPE, message="no", path="test/t.ml")
    before = Verdict(
        tree=base, toolchain="t", suite=Suite.TEST, status=Status.RED, diagnostics=(error,),
        stages=(StageResult(stage=stage, status=Status.RED, seconds=0.1),),
    )  # fmt: skip
    assert where_it_fails(before) == may_change
    hacked = tree(store, {**BASE, "test/t.ml": "let () = ()", "test/dune": ""})
    _, paths = restore(store, base, hacked, allowed=where_it_fails(before))
    assert set(paths) == {"test/dune", "test/t.ml"} - may_change


PROTECTED = {
    "dune": (
        "dune a/dune a/dune.inc rules.dune.inc dune-project vendor/x/dune-project dune-workspace dune-file a/jbuild "
        "x.opam x.opam.template META.x a/META a/b.expected a/cram.t a/cram.t/run.t a/cram.t/input.ml a/x.corrected "
        "test/a.ml a/test/b/c.ml tests/x lib_test/a.ml a/test_x.ml a/x_test.ml a/test-suite/x.ml testsuite/y.ml "
        "_build/default/test/t.exe"
    ),
    "ocaml_file": "test/a.ml x_test.ml test_x.ml out.expected",
    "command": (
        "conftest.py a/conftest.py pytest.ini pyproject.toml setup.cfg setup.py tox.ini mypy.ini .mypy.ini noxfile.py "
        "sitecustomize.py x.pth a/__pycache__/x.cpython-311.pyc a/x.pyc .mypy_cache/x.json tests/test_a.py test_a.py "
        "Makefile rules.mk package.json Cargo.toml build.rs a/__tests__/x.js x.test.ts x.spec.ts x.snap greenloop.toml"
    ),
}
FREE = "lib/lib.ml lib/lib.mli latest/a.ml contest/b.ml a/dune.ml src/attest.ml README.md x.ml a/testing.ml src/app.py"


@pytest.mark.parametrize("toolchain", PROTECTED)
def test_each_toolchain_protects_what_decides_its_verdict(toolchain: str) -> None:
    for path in PROTECTED[toolchain].split():
        assert matches(path, DEFAULT_GLOBS), path
    for path in FREE.split():
        assert not matches(path, DEFAULT_GLOBS), path


STANZAS = {
    "alone/dune": "(tests (names a b) (libraries x))",
    "alone/a.ml": "", "alone/helper.ml": "", "alone/data.csv": "", "alone/deep/c.ml": "",
    "mixed/dune": '; (test (name lib))\n(library (name lib) (modules lib))\n(test (name check) (modules check Util))',
    "mixed/check.ml": "", "mixed/util.ml": "", "mixed/lib.ml": "", "mixed/README.md": "",
    "docs/dune": '(mdx (files :standard)) (rule (action (echo ") (test (name guide))")))',
    "docs/guide.md": "", "docs/guide.ml": "",
    "none/x.ml": "",
}  # fmt: skip


def test_a_stanza_makes_tests_wherever_they_lie(store: TreeStore) -> None:
    base = tree(store, STANZAS)
    changed = {path: text + "(* changed *)" for path, text in STANZAS.items() if not path.endswith("dune")}
    _, restored = restore(store, base, tree(store, STANZAS | changed | {"alone/new.ml": "let () = exit 0"}))
    assert restored == (
        "alone/a.ml", "alone/deep/c.ml", "alone/helper.ml", "alone/new.ml", "docs/guide.md", "mixed/check.ml",
        "mixed/util.ml",
    )  # fmt: skip
    assert restore(store, base, tree(store, STANZAS | changed), ())[1] == ()
