"""Which edits may go to a persistent checker: none that could make code run, or change how the project is built."""

from collections.abc import Mapping

import pytest

from greenloop.builds.checker import read_project
from greenloop.workspace.store import Entry, Mode, TreeStore

PLAIN = {
    "dune-project": "(lang dune 2.9)",
    "lib/dune": "(library (name lib) (libraries base str))",
    "lib/a.ml": "",
    "lib/a.mli": "",
    "lib/b.ml": "",
    "bin/dune": "(executable (name main) (libraries lib))",
    "bin/main.ml": "",
}


def safe(store: TreeStore, files: Mapping[str, str], edit: Mapping[str, str | None]) -> bool:
    entries = {path: Entry(Mode.FILE, store.write_blob(text.encode())) for path, text in files.items()}
    base = store.update(store.empty, entries)
    changed = {p: None if t is None else Entry(Mode.FILE, store.write_blob(t.encode())) for p, t in edit.items()}
    return read_project(store, base).safe(store.changes(base, store.update(base, changed)))


@pytest.mark.parametrize("path", ["lib/a.ml", "lib/a.mli", "bin/main.ml", "lib/fresh.ml", "lib/fresh.mli"])
def test_plain_modules_may_change_and_be_new(store: TreeStore, path: str) -> None:
    assert safe(store, PLAIN, {path: "let x = 1"})


def test_modules_may_go_and_move_but_a_folder_may_not_become_empty(store: TreeStore) -> None:
    assert safe(store, PLAIN, {"lib/a.ml": None, "lib/a.mli": None})
    assert safe(store, PLAIN, {"lib/b.ml": None, "bin/b.ml": "x"})
    nested = PLAIN | {"lib/dune": "(include_subdirs qualified) (library (name lib))", "lib/in/deep/c.ml": ""}
    assert safe(store, nested, {"lib/in/deep/c.ml": "let x = 1"})
    assert not safe(store, nested, {"lib/in/deep/c.ml": None})


@pytest.mark.parametrize(
    "path",
    [
        "dune",
        "lib/dune",
        "dune-project",
        "dune-workspace",
        "x.opam",
        "lib/x.mll",
        "lib/x.mly",
        "lib/x.mld",
        "lib/x.c",
        "a.ml",
        "other/a.ml",
        "lib/deep/a.ml",
        "lib/a.pp.ml",
        "lib/.a.ml",
        "lib/a-b.ml",
        "lib/x.ml.txt",
        "README",
    ],
)
def test_what_is_no_plain_module_of_a_stanza_may_not(store: TreeStore, path: str) -> None:
    assert not safe(store, PLAIN, {path: "x"})
    assert not safe(store, PLAIN, {path: "x", "lib/a.ml": "let x = 1"})


def test_neither_links_nor_programs(store: TreeStore) -> None:
    base = store.update(store.empty, {p: Entry(Mode.FILE, store.write_blob(t.encode())) for p, t in PLAIN.items()})
    project = read_project(store, base)
    for mode in (Mode.LINK, Mode.EXECUTABLE):
        tree = store.update(base, {"lib/a.ml": Entry(mode, store.write_blob(b"b.ml"))})
        assert not project.safe(store.changes(base, tree))


GENERATOR = (
    "(rule (targets made.ml) (deps a.txt) (action (with-stdout-to made.ml (run ../gen/gen.exe))))(library (name lib))"
)

DUNE_FILES: dict[str, tuple[dict[str, str], bool]] = {
    "a generator elsewhere": ({"lib/dune": GENERATOR, "gen/dune": "(executable (name gen))"}, True),
    "a generator above this library": (
        {
            "bin/dune": GENERATOR.replace("(name lib)", "(name lob)"),
            "gen/dune": "(executable (name gen) (libraries lib))",
        },
        False,
    ),
    "a generator above this library by another one": (
        {
            "bin/dune": GENERATOR.replace("(name lib)", "(name lob)"),
            "gen/dune": "(executable (name gen) (libraries mid))",
            "mid/dune": "(library (name mid_impl) (public_name mid) (libraries lib))",
        },
        False,
    ),
    "a generator by its public name": (
        {
            "bin/dune": "(rule (with-stdout-to x.ml (run tool)))",
            "lib/dune": "(executable (name a) (public_name tool))",
        },
        False,
    ),
    "a generator under an installed name": (
        {
            "bin/dune": "(rule (with-stdout-to x.ml (run tool)))",
            "gen/dune": "(install (section bin) (files (../lib/a.exe as tool)))",
            "lib/dune": "(executable (name a))",
        },
        False,
    ),
    "a generator in a variable": (
        {
            "bin/dune": '(rule (with-stdout-to x.ml (run %{exe:../lib/a.exe} "x y")))',
            "lib/dune": "(executable (name a))",
        },
        False,
    ),
    "a rule that reads the module": (
        {"bin/dune": "(rule (with-stdout-to x.ml (progn (echo \"let x = \") (cat ../lib/a.ml))))"},
        False,
    ),
    "a rule that reads all modules": (
        {"bin/dune": "(rule (targets x.ml) (deps (glob_files ../lib/*.{ml,mli})) (action (copy %{deps} x.ml)))"},
        False,
    ),
    "a rule that reads a folder": (
        {"bin/dune": "(rule (targets x.ml) (deps (source_tree ..)) (action (write-file x.ml \"\")))"},
        False,
    ),
    "a rule that reads another folder": (
        {"bin/dune": "(rule (targets x.ml) (deps (glob_files ../text/*.txt)) (action (write-file x.ml \"\")))"},
        True,
    ),
    "copied modules": ({"bin/dune": "(copy_files# ../lib/*.ml) (executable (name main))"}, False),
    "a rule's own target": ({"lib/dune": "(library (name lib)) (rule (mode fallback) (copy x.txt a.ml))"}, False),
    "a rule tied to the tests": (
        {"bin/dune": "(executable (name main)) (rule (alias runtest) (action (run ../lib/a.exe ../lib/a.ml)))"},
        True,
    ),
    "a rule for the tests to compare": (
        {"bin/dune": "(test (name main)) (rule (with-stdout-to main.output (run ../lib/lib.exe)))"},
        True,
    ),
    "a rule whose product another one wants": (
        {
            "lib/dune": "(executable (name a))",
            "bin/dune": "(rule (with-stdout-to one.txt (run ../lib/a.exe))) (rule (copy one.txt x.ml))",
        },
        False,
    ),
    "a rule for flags": (
        {
            "lib/dune": "(executable (name a))",
            "bin/dune": "(rule (with-stdout-to opts (run ../lib/a.exe))) (library (name x) (flags (:include opts)))",
        },
        False,
    ),
    "a rule tied to the check": (
        {"bin/dune": "(rule (alias check) (action (run ../lib/a.exe)))", "lib/dune": "(executable (name a))"},
        False,
    ),
    "a shell": ({"bin/dune": '(rule (targets x.ml) (action (system "cat ../*/*.ml >x.ml")))'}, False),
    "a script": ({"bin/dune": "(rule (targets x.ml) (action (run ocaml gen.ml)))"}, False),
    "a preprocessor": ({"lib/dune": "(library (name lib) (preprocess (pps ppx_deriving.show)))"}, False),
    "a preprocessor for another library": (
        {"bin/dune": "(executable (name main) (preprocess (pps ppx_jane)))"},
        True,
    ),
    "the preprocessor itself": (
        {"bin/dune": "(executable (name main) (preprocess (pps lib)))", "lib/dune": "(library (name lib))"},
        False,
    ),
    "a preprocessing action": (
        {"bin/dune": "(executable (name main) (preprocess (action (run ../lib/a.exe %{input-file}))))"}
        | {"lib/dune": "(executable (name a))"},
        False,
    ),
    "a compiler's preprocessor": ({"bin/dune": "(env (_ (flags (-pp ./x.sh)))) (executable (name main))"}, False),
    "stubs in C": ({"lib/dune": "(library (name lib) (foreign_stubs (language c) (names x)))"}, False),
    "inline tests": ({"lib/dune": "(library (name lib) (inline_tests))"}, False),
    "an unknown stanza": ({"x/dune": "(coq.theory (name x))"}, False),
    "an unknown stanza in a comment": ({"x/dune": "; (coq.theory (name x))\n#;(mdx)"}, True),
    "an included file": ({"x/dune": "(include more)"}, False),
    "an alias check": ({"x/dune": "(alias (name check) (deps y))"}, False),
    "another alias": ({"x/dune": "(alias (name other) (deps y))"}, True),
    "an OCaml program": ({"x/dune": '(* -*- tuareg -*- *)\nlet () = Jbuild_plugin.V1.send ""'}, False),
    "a file that cannot be read": ({"x/dune": "(library"}, False),
    "a workspace": ({"dune-workspace": "(lang dune 2.9)"}, False),
    "a dialect": ({"dune-project": "(lang dune 2.9) (dialect (name x))"}, False),
    "a stanza for a subfolder": ({"dune": "(subdir lib (library (name lib)))", "lib/dune": ""}, True),
    "tests and lexers": (
        {"t/dune": "(tests (names x) (action (system x))) (ocamllex l) (menhir (modules m)) (cram (deps x))"},
        True,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", DUNE_FILES)
def test_dune_files(store: TreeStore, name: str) -> None:
    files, expected = DUNE_FILES[name]
    assert safe(store, PLAIN | files, {"lib/a.ml": "let x = 1"}) is expected


def test_a_far_reaching_doubt_is_told(store: TreeStore) -> None:
    entries = {"dune": Entry(Mode.FILE, store.write_blob(b"(mdx)"))}
    assert "mdx" in read_project(store, store.update(store.empty, entries)).refusal
