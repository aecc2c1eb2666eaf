"""Stanzas make tests, and include files, wherever dune lets them: edits of these are put back, of others not."""

import pytest

from greenloop.builds import own_tests
from greenloop.builds.protect import restore
from greenloop.records import TreeId
from greenloop.workspace.store import Entry, Mode, TreeStore

RUNTEST = "(rule (alias runtest) (action (run ./check.exe)))"
CASES: dict[str, tuple[dict[str, str], str, str]] = {
    "subdir of the root": (
        {"dune": "(subdir spec (test (name area)))", "lib/dune": "(library (name lib))"},
        "spec/area.ml spec/new.ml spec/deep/x.ml", "lib/area.ml area.ml",
    ),
    "subdirs within subdirs, and paths": (
        {"dune": "(subdir a (subdir b/c (test (name t))) (library (name a)))", "a/dune": "(subdir d (test (name t)))"},
        "a/b/c/x.ml a/d/x.ml", "a/x.ml a/b/x.ml",
    ),
    "subdir beside a dune file": (
        {"dune": "(subdir s (test (name t) (modules t cases)))", "s/dune": "(library (name l) (modules l))"},
        "s/t.ml s/cases.ml", "s/l.ml",
    ),
    "mdx in a subdir": ({"dune": "(subdir docs (mdx))"}, "docs/a.md docs/b.mld", "docs/a.ml README.md"),
    "included stanzas": (
        {
            "a/dune": "(include ../parts/tests.inc) (library (name l) (modules l))",
            "parts/tests.inc": "(include more.inc)(include gone.inc)(include tests.inc)(subdir s (include last))",
            "parts/more.inc": "(test (name t) (modules t))", "parts/s/last": "(test (name u))",
        },
        "a/t.ml a/s/x.ml parts/tests.inc parts/more.inc parts/gone.inc parts/s/last", "a/l.ml parts/x.ml parts/other",
    ),
    "an included file within a subdir": (
        {"dune": "(subdir s (include rules.txt))", "s/rules.txt": "(test (name t))"}, "s/rules.txt s/t.ml", "rules.txt",
    ),
    "an included file that cannot be read": (
        {"dune": '(include rules.inc) (include "a\\000b") (include ../../up)', "rules.inc": "(test (name t"},
        "rules.inc", "t.ml",
    ),
    "included again and again": (
        {"dune": "(include x)", "x": "(subdir a (include ../y))(test (name t))", "y": "(subdir b (include ../../x))"},
        "x y t.ml", "",
    ),
    "program that a test rule runs": (
        {"dune": f"(library (name l) (modules l)) (executable (name check) (modules :standard \\ l)) {RUNTEST}"},
        "check.ml helper.ml", "l.ml",
    ),
    "such a program, run in other words": (
        {
            "a/dune": '(executable (name check)) (rule (aliases x runtest) (action (system "! %{exe:check.exe}")))',
            "b/dune": "(executable (name check)) (rule (action (run %{dep:./check.exe})) (alias runtest))",
            "c/dune": "(executable (name check)) (alias (name runtest) (action (run ocamlrun check.bc)))",
            "dune": f"(subdir d (executables (names check main))) (subdir d {RUNTEST})",
        },
        "a/check.ml b/check.ml c/check.ml c/help.ml d/check.ml d/help.ml", "d/main.ml",
    ),
    "program that is tested, or that no test runs": (
        {
            "a/dune": f"(executable (name check) (public_name tool)) {RUNTEST}",
            "b/dune": "(executable (name check)) (rule (alias gen) (action (run ./check.exe)))",
            "c/dune": "(executable (name heck)) (rule (alias runtest) (action (run ../a/heck.exe x.heck.exe)))",
        },
        "", "a/check.ml a/x.ml b/check.ml c/heck.ml",
    ),
    "all modules but one": (
        {"dune": "(library (name geo) (modules circles)) (test (name area) (modules :standard \\ Circles))"},
        "area.ml cases.ml new.ml new.re", "circles.ml circles.mli",
    ),
    "all modules but one, without a field beside them": (
        {"dune": "(library (name geo) (modules (circles lines))) (test (name area))"},
        "area.ml cases.ml", "circles.ml lines.ml",
    ),
    "a library that leaves the tests": (
        {"dune": "(library (name geo) (modules :standard \\ area Cases)) (test (name area) (modules area cases))"},
        "area.ml cases.ml Cases.ml", "circles.ml new.ml cASES.ml",
    ),
    "what a difference takes away": (
        {"dune": "(library (name l) (modules l :standard \\ (t \\ u))) (tests (names t) (modules (((t)) (v \\ v))))"},
        "t.ml", "u.ml v.ml l.ml",
    ),
    "differences from the right": (
        {"dune": "(library (name l) (modules :standard \\ b \\ c)) (test (name b) (modules b))"}, "b.ml", "c.ml x.ml",
    ),
    "two that take everything": (
        {"dune": "(library (name l)) (test (name t)) (test (name u) (modules u cases))"},
        "t.ml u.ml cases.ml", "l.ml x.ml",
    ),
    "a folder taken by the one above": (
        {"t/dune": "(include_subdirs unqualified) (test (name t))", "t/deep/dune": "(rule (action (echo x)))",
         "l/dune": "(include_subdirs no) (test (name t))", "l/deep/dune": "(rule (action (echo x)))"},
        "t/deep/x.ml", "l/deep/x.ml",
    ),
    "OCaml's syntax": ({"dune": '(* -*- tuareg -*- *)\nlet () = Jbuild_plugin.V1.send "(test (name t))'}, "", "t.ml"),
}  # fmt: skip


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> TreeStore:
    return TreeStore(tmp_path_factory.mktemp("own_tests"))


def tree(store: TreeStore, files: dict[str, str]) -> TreeId:
    return store.write_tree({path: Entry(Mode.FILE, store.write_blob(text.encode())) for path, text in files.items()})


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("new", [False, True])
def test_what_stanzas_protect_is_put_back_and_nothing_else(store: TreeStore, name: str, new: bool) -> None:
    dunes, protected, free = CASES[name]
    paths = {*protected.split(), *free.split()}
    before = {} if new else dict.fromkeys(paths, "")
    base = tree(store, before | dunes)
    _, restored = restore(store, base, tree(store, before | dunes | dict.fromkeys(paths, "; changed")))
    assert restored == tuple(sorted(protected.split()))


def test_an_edit_of_an_included_file_cannot_take_a_test_away(store: TreeStore) -> None:
    files = {"dune": "(include rules.inc)", "rules.inc": "(test (name t) (modules t))", "t.ml": "let () = exit 1"}
    base = tree(store, files)
    assert restore(store, base, tree(store, files | {"rules.inc": "", "t.ml": ""})) == (base, ("rules.inc", "t.ml"))


def test_a_project_without_includes_includes_nothing(store: TreeStore) -> None:
    base = tree(store, {"a/dune": "(include_subdirs no) (test (name t) (flags (:include x.sexp)))", "a/t.ml": ""})
    assert own_tests.included(store, base) == frozenset()
    assert own_tests.tested_here(store, base, "a/t.ml")
    assert own_tests.included(store, tree(store, {"a/dune": "(subdir b (include x))"})) == {"a/b/x"}
