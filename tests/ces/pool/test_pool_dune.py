"""The pool with dune and real repositories: what an edit runs, at whatever stage, leaves the warm build as it was."""

import hashlib
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from greenloop.builds.engine import Engine
from greenloop.builds.sandbox import Bubblewrap, Limits
from greenloop.builds.toolchains.dune import Dune
from greenloop.builds.verdicts import VerdictStore
from greenloop.ces.pool import Pool
from greenloop.ces.revisions import Revisions
from greenloop.records import EvaluationRequest, Suite, TreeId
from greenloop.workspace.store import Entry, Mode, TreeStore

PROJECT = {
    "dune-project": "(lang dune 2.9)\n",
    "lib/dune": "(library (name shapes))\n(rule (with-stdout-to made.ml (run ../gen/gen.exe)))\n",
    "lib/area.ml": "let square side = side * side * Made.one\n",
    "gen/dune": "(executable (name gen))\n",
    "gen/gen.ml": 'let () = print_string "let one = 1\\n"\n',
    "test/dune": "(test (name test_shapes) (libraries shapes))\n",
    "test/test_shapes.ml": "let () = assert (Shapes.Area.square 2 = 4)\n",
}
POISON = (
    "for at in . .. ../.. ../../.. /w /proc/*/root/w; do for f in _build/default/lib/area.ml lib/area.ml area.ml"
    " _build/.db _build/log; do [ -e $at/$f ] && { chmod u+w $at/$f; echo poison > $at/$f; }; done; touch $at/stray;"
    " rm -rf $at/gen; done; true"
)


class Place:
    """A tree store, an engine and a pool over one git and one Mercurial repository with the same project."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.store = TreeStore(root / "store")
        self.engine = Engine(
            store=self.store,
            verdicts=VerdictStore(root / "verdicts.sqlite"),
            toolchain=Dune(),
            sandbox=Bubblewrap(limits=Limits(wall_seconds=120)),
            scratch=root / "scratch",
        )
        for vcs in ("git", "hg"):
            (root / vcs).mkdir()
            run(root / vcs, vcs, "init", *(("-q", "-b", "main") if vcs == "git" else ()))
            write(root / vcs, PROJECT)
        run(root / "git", "git", "add", "-A")
        run(root / "git", "git", "commit", "-qm", "one")
        run(root / "hg", "hg", "commit", "-qAm", "one")
        self.pool = Pool(
            engine=self.engine,
            store=self.store,
            revisions=Revisions(self.store, {"ours": root / "git", "theirs": root / "hg"}),
            root=root / "pool",
        )

    def edited(self, tree: TreeId, files: Mapping[str, str]) -> TreeId:
        return self.store.update(
            tree, {path: Entry(Mode.FILE, self.store.write_blob(text.encode())) for path, text in files.items()}
        )

    def digest(self) -> str:
        """Hash every file of every warm build, with its times and modes."""
        found = hashlib.sha256()
        for folder in sorted((self.root / "scratch/warm").glob("*/")):
            for path in sorted(folder.rglob("*")):
                status = path.lstat()
                content = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
                found.update(repr((str(path), status.st_mode, status.st_mtime_ns, status.st_ctime_ns)).encode())
                found.update(content)
        return found.hexdigest()


def run(folder: Path, *argv: str) -> None:
    subprocess.run(argv, cwd=folder, capture_output=True, check=True)


def write(folder: Path, files: Mapping[str, str]) -> None:
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    made = Place(tmp_path_factory.mktemp("place"))
    assert made.pool.ensure("ours@main").state == "green"
    yield made
    made.pool.close()


def test_the_same_files_are_one_build_in_whatever_repository(place: Place) -> None:
    ours, theirs = place.pool.ensure("ours@main"), place.pool.ensure("theirs@default")
    assert (ours.tree, theirs.state) == (theirs.tree, "green")
    assert len(list((place.root / "scratch/warm").glob("*/"))) == 1


@pytest.mark.parametrize("suite", Suite)
def test_an_edit_is_judged_above_it_and_no_other_build_is_made(place: Place, suite: Suite) -> None:
    with place.pool.base_for(EvaluationRequest(revision="ours@main", diff="x")) as base:
        good = place.edited(base.tree, {"lib/area.ml": f"let square x = x * x * Made.one (* {suite} *)\n"})
        bad = place.edited(base.tree, {"lib/area.ml": f'let square x = x * x * "" (* {suite} *)\n'})
        assert place.engine.trial(good, suite, base=base.tree).verdict.green
        verdict = place.engine.trial(bad, suite, base=base.tree).verdict
        assert [error.path for error in verdict.errors] == ["lib/area.ml"]
    assert len(list((place.root / "scratch/warm").glob("*/"))) == 1


@pytest.mark.parametrize(
    "files",
    [
        {"lib/dune": f"(library (name shapes))\n(rule (alias check) (action (system \"{POISON}\")))\n"},
        {"lib/dune": f"(library (name shapes))\n(rule (targets made.ml) (action (progn (system \"{POISON}\")"
         ' (with-stdout-to made.ml (echo "let one = 1")))))\n'},
        {"gen/dune": "(executable (name gen) (libraries unix))\n",
         "gen/gen.ml": f'let () = ignore (Sys.command {{|{POISON}|}}); print_string "let one = 1\\n"\n'},
        {"test/test_shapes.ml": f"let () = ignore (Sys.command {{|{POISON}|}})\n"},
        {"lib/dune": "(library (name shapes) (preprocess (action (system \""
         f"{POISON}; cat %{{input-file}}\"))))\n(rule (with-stdout-to made.ml (echo \"let one = 1\")))\n"},
    ],
    ids=["rule-at-check", "rule-with-target", "generator", "test", "preprocessor"],
)  # fmt: skip
def test_a_hostile_edit_leaves_the_warm_build_as_it_was(place: Place, files: Mapping[str, str]) -> None:
    before = place.digest()
    with place.pool.base_for(EvaluationRequest(revision="ours@main", diff="x")) as base:
        hostile = place.edited(base.tree, files)
        for suite in Suite:
            place.engine.trial(hostile, suite, base=base.tree, fresh=True)
            assert place.digest() == before
        clean = place.edited(base.tree, {"lib/area.ml": "let square x = x * Made.one * x\n"})
        assert place.engine.trial(clean, Suite.TEST, base=base.tree, fresh=True).verdict.green
    assert place.digest() == before
