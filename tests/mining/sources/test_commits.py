"""Commits of real repositories become examples, judged by the real compiler; each rule drops what it is for."""

from pathlib import Path

import pytest
from tests.mining.commits.histories import Content, Repository
from tests.workspace.checkouts import fingerprint

from greenloop.builds.engine import Engine
from greenloop.builds.sandbox import Bubblewrap, Limits
from greenloop.builds.toolchains.ocaml_file import OcamlFile
from greenloop.builds.verdicts import VerdictStore
from greenloop.mining.commits.trees import CommitTrees
from greenloop.mining.own import NOTHING, Accepted
from greenloop.mining.rules import Rules
from greenloop.mining.sources.commits import CommitSource
from greenloop.records import Category, Example, Origin, Rung, Suite
from greenloop.workspace.edits import apply
from greenloop.workspace.store import TreeStore
from greenloop.workspace.vcs import open_history

START = 'let sum xs = List.fold_left ( + ) 0 xs\n\nlet twice x = 2 * x\n\nlet name = "list"\n'


ONE = "let one = 1\n"


class Mine:
    """A repository of one kind, its judge, and stores of Greenloop's own."""

    def __init__(self, repo: Repository, folder: Path) -> None:
        self.repo = repo
        self.store = TreeStore(folder / "trees")
        self.rules = Rules()
        self.accepted = NOTHING
        self.engine = Engine(
            store=self.store,
            verdicts=VerdictStore(folder / "verdicts.sqlite"),
            toolchain=OcamlFile(),
            sandbox=Bubblewrap(limits=Limits(wall_seconds=60)),
            scratch=folder / "scratch",
        )

    def __call__(self, revisions: str = "", folder: str = ".") -> tuple[list[Example], dict[str, int]]:
        """Mine; return the examples, and how many each rule dropped."""
        root = self.repo.root / folder
        source = CommitSource(
            open_history(root, revisions),
            CommitTrees(root, self.store, max_file_bytes=1_000_000),
            self.store,
            self.engine,
            Suite.CHECK,
            workspace="w",
            rules=self.rules,
            accepted=self.accepted,
        )
        found = list(source.examples())
        return found, {step.name: step.dropped for step in source.funnel().steps if step.dropped}

    def of(self, message: str, files: dict[str, Content]) -> tuple[list[Example], dict[str, int]]:
        """Mine one commit on top of all others."""
        base = self.repo.head
        self.repo.commit(message, files)
        return self(f"{base}..")


@pytest.fixture(params=["git", "hg"])
def mine(request: pytest.FixtureRequest, tmp_path: Path) -> Mine:
    return made(request.param, tmp_path)


@pytest.fixture
def git(tmp_path: Path) -> Mine:
    return made("git", tmp_path)


def made(vcs: str, folder: Path) -> Mine:
    repo = Repository("git" if vcs == "git" else "hg", folder / "repo")
    repo.commit("The first", {"a.ml": START, "README.md": "A list.\n", "dir/keep.ml": "let x = 1\n"})
    return Mine(repo, folder)


def test_a_fix_and_a_change(mine: Mine) -> None:
    mine.repo.commit("Break it", {"a.ml": START.replace("2 * x", "2 ^ x")})
    mine.repo.commit("fix: the type of twice (#7)", {"a.ml": START}, by="Bob <bob@example.org>")
    mine.repo.commit("Made twice add instead.\n\nIt is faster.", {"a.ml": START.replace("2 * x", "x + x")})
    examples, dropped = mine()
    assert dropped == {"no parent": 1, "a tree seen before": 1, "green before, red after": 1}
    mine.repo.commit("Break it again", {"a.ml": START.replace("2 * x", "2 ^ x")})
    mine.repo.commit("fix: the type of twice (#7)", {"a.ml": START.replace("2 * x", "2 + x")}, by="Bob <b@example.org>")
    examples, dropped = mine()
    change, fix = examples
    assert [one.origin for one in examples] == [Origin.COMMIT, Origin.COMMIT]
    assert (change.prompt, change.category, change.diagnostics) == ("Make twice add instead", Category.OTHER, ())
    assert change.description == (
        "Change twice in a.ml (1 line replaced by 1 line). The commit says: Made twice add instead."
    )
    assert (fix.prompt, fix.category, fix.author) == ("fix the type of twice", Category.TYPE, "Bob")
    assert fix.diagnostics
    assert fix.description.startswith("Fix a type error in a.ml: ")
    assert fix.description.endswith("The commit says: fix: the type of twice (#7)")
    assert fix.time == mine.repo.time
    assert fix.episode == f"w@{mine.repo.head}"
    for one in examples:
        applied = apply(mine.store, one.base, one.edit)
        assert (applied.tree, applied.rung) == (one.target, Rung.EXACT)


def test_a_subject_that_names_what_only_the_new_code_has_is_no_prompt(mine: Mine) -> None:
    (one,), _ = mine.of("Add thrice beside twice", {"a.ml": START + "\nlet thrice x = 3 * x\n"})
    assert "thrice" not in one.prompt
    assert one.description.endswith("The commit says: Add thrice beside twice")
    (two,), _ = mine.of("more of it", {"a.ml": START + "\nlet thrice x = 3 * x + 0\n"})
    assert two.prompt
    assert two.prompt != "more of it"


@pytest.mark.parametrize(
    ("message", "files", "rule"),
    [
        ("Change the readme of it", {"README.md": "Lists.\n"}, "a version, or files that no build reads"),
        ("Check it elsewhere", {".github/ci.yml": "on: push\n"}, "a version, or files that no build reads"),
        ("Say it in a comment", {"a.ml": f"(* lists *)\n{START}"}, "layout or comments only"),
        ("Indent the list anew", {"a.ml": START.replace("2 * x", "2\n  * x")}, "layout or comments only"),
        ("Add the picture of a list", {"list.png": b"\x89PNG\0\1\2", "b.ml": ONE}, "not UTF-8 text, or a link"),
        ("Take the list of others", {"vendor/list/a.ml": "let x = 1\n"}, "a vendored folder"),
        ("Take more of others", {"src/third_party/b.ml": ONE, "c.ml": ONE}, "a vendored folder"),
        ("Make the parser anew", {"p.ml": "(* generated by hand *)\nlet x = 1\n"}, "a generated file"),
        ("Add a parser to it", {"p.mly": "%%\n", "p.ml": "let x = 1\n"}, "a generated file"),
        ("Add a lexer to it", {"l.ml": '# 1 "l.mll"\n \nlet __ocaml_lex_tables = 1\n'}, "a generated file"),
        ('Revert "Add a parser"', {"a.ml": START + "let y = 1\n"}, "a revert"),
        ("Backed out changeset 123456789abc", {"a.ml": START + "let y = 1\n"}, "a revert"),
        ("Nothing at all", {}, "no file that is read changed"),
        ("Add a large file", {"large.ml": "let x = 1\n" * 100_001}, "no file that is read changed"),
        ("Move everything there", {f"x/{n}.ml": "let x = 1\n" for n in range(501)}, "over 500 files"),
        ("Import all of it", {"all.ml": "let x = 1\n" * 5001}, "over 5000 changed lines"),
        ("Break the list", {"a.ml": START.replace("2 * x", "2 ^ x")}, "green before, red after"),
    ],
)  # fmt: skip
def test_what_is_dropped_and_why(git: Mine, message: str, files: dict[str, Content], rule: str) -> None:
    assert git.of(message, files) == ([], {rule: 1})


def test_how_large_a_commit_may_be_is_a_setting(git: Mine) -> None:
    git.rules = Rules(max_commit_files=2, max_commit_lines=10)
    assert git.of("Move it all there", {f"x/{n}.ml": ONE for n in range(3)}) == ([], {"over 2 files": 1})
    many = "".join(f"let x{n} = {n}\n" for n in range(11))
    assert git.of("Add many lists there", {"y.ml": many}) == ([], {"over 10 changed lines": 1})


def test_version_numbers_are_no_change(git: Mine) -> None:
    opam = 'opam-version: "2.0"\nversion: "1.2"\nname: "list"\n'
    git.repo.commit("Add opam", {"list.opam": opam})
    assert git.of("Next version", {"list.opam": opam.replace('"1.2"', '"1.3"')}) == (
        [], {"a version, or files that no build reads": 1}
    )  # fmt: skip
    (one,), _ = git.of("Compare with a larger number", {"a.ml": START.replace("2 * x", "25 * x")})
    assert one.origin is Origin.COMMIT


@pytest.mark.parametrize(
    "by", ["dependabot[bot] <49699333+dependabot[bot]@users.noreply.example.org>", "ocaml-bot <ci@example.org>",
           "Renovate <bot@renovateapp.example.org>"],
)  # fmt: skip
def test_bots_ask_for_nothing(git: Mine, by: str) -> None:
    base = git.repo.head
    git.repo.commit("Use the newer list", {"a.ml": START + "let y = 1\n"}, by=by)
    assert git(f"{base}..") == ([], {"by a bot": 1})


def test_people_whose_names_are_like_those_of_bots(git: Mine) -> None:
    base = git.repo.head
    git.repo.commit("Use the newer list", {"a.ml": START + "let y = 1\n"}, by="Ann Abbott <abbott@example.org>")
    assert len(git(f"{base}..")[0]) == 1


def test_merges_reds_and_trees_seen_before(mine: Mine) -> None:
    first = mine.repo.head
    one = mine.repo.commit("Count from one on", {"a.ml": START.replace("0 xs", "1 xs")})
    mine.repo.branch_from(first, "side")
    mine.repo.commit("Add a file beside it", {"b.ml": "let b = 1\n"})
    mine.repo.merge(one)
    mine.repo.commit("Break the file", {"b.ml": "let b = 1 ^ 2\n"})
    mine.repo.commit("Break the file more", {"b.ml": "let b = 1 ^ 3\n"})
    mine.repo.commit("Go back to the first of it", {"b.ml": "let b = 1\n"})
    examples, dropped = mine(f"{first}..")
    # two lines of work stand one after the other, in whichever order the program has
    assert sorted(one.prompt for one in examples) == ["Add a file beside it", "Count from one on"]
    assert dropped == {
        "a merge": 1, "a tree seen before": 1, "red before and after": 1, "green before, red after": 1
    }  # fmt: skip


def test_modes_and_links(mine: Mine) -> None:
    base = mine.repo.head
    (mine.repo.root / "a.ml").chmod(0o755)
    mine.repo.commit("Let it be run")
    (mine.repo.root / "link.ml").symlink_to("a.ml")
    mine.repo.commit("Add a link to it")
    assert mine(f"{base}..") == ([], {"layout or comments only": 1, "not UTF-8 text, or a link": 1})


def test_names_and_messages_that_are_no_text(git: Mine) -> None:
    base = git.repo.head
    odd = bytes(git.repo.root) + b"/\xff.ml"
    with open(odd, "wb") as file:  # noqa: PTH123 - a name that pathlib cannot spell
        file.write(b"let x = 1\n")
    git.repo.commit(b"Add the \xff file to it", {"a.ml": START.replace("2 * x", "x + x")})
    (one,), dropped = git(f"{base}..")
    assert dropped == {}
    assert one.edit.paths == ("a.ml",)
    assert one.description.endswith("The commit says: Add the ÿ file to it")


def test_submodules_are_no_files(git: Mine, tmp_path: Path) -> None:
    other = Repository("git", tmp_path / "other")
    other.commit("one", {"x": "1"})
    base = git.repo.head
    git.repo("-c", "protocol.file.allow=always", "submodule", "add", "-q", str(other.root), "other")
    git.repo.write({".gitmodules": None})
    git.repo.commit("Add the other repository")
    assert git(f"{base}..") == ([], {"no file that is read changed": 1})


def test_equal_subjects_and_clocks_that_go_back(mine: Mine) -> None:
    base = mine.repo.head
    for number in (3, 4, 5):
        mine.repo.commit("Change how twice counts", {"a.ml": START.replace("2 * x", f"{number} * x")}, after=-90_000)
    examples, dropped = mine(f"{base}..")
    assert dropped == {}
    assert [one.prompt for one in examples] == ["Change how twice counts"] * 3
    assert [one.time for one in examples] == sorted((one.time for one in examples), reverse=True)
    assert len({one.id for one in examples}) == len({one.episode for one in examples}) == 3


def test_a_large_commit_is_split(mine: Mine) -> None:
    added = "".join(f"\nlet f{n} x =\n  x + {n}\n" for n in range(60))
    examples, dropped = mine.of("Add more functions to it", {"a.ml": START + added})
    assert dropped == {}
    assert len(examples) == 2
    assert {one.origin for one in examples} == {Origin.FEATURE}
    assert {one.episode for one in examples} == {f"w@{mine.repo.head}"}
    assert all(one.changed_lines <= 100 for one in examples)
    assert examples[0].target == examples[1].base
    red = added.replace("x + 59", "x ^ 59")
    assert mine.of("Add more functions, all red", {"b.ml": red})[1] == {
        "not split: nothing changed, or an end is not green": 1
    }


def test_a_folder_of_a_repository(mine: Mine) -> None:
    mine.repo.commit("Change the other number", {"dir/keep.ml": "let x = 2\n"})
    mine.repo.commit("Add another folder", {"later/new.ml": "let x = 3\n"})
    mine.repo.commit("Change another number", {"later/new.ml": "let x = 4\n"})
    (one,), dropped = mine(folder="later")
    assert one.edit.paths == ("new.ml",)
    assert dropped == {"no parent": 1, "the folder is not in it, or not in its parent": 2}
    (other,), dropped = mine(folder="dir")
    assert other.edit.paths == ("keep.ml",)
    assert dropped == {"no parent": 1, "no file that is read changed": 2}


def test_what_greenloop_wrote_is_no_example(mine: Mine) -> None:
    mine.repo.commit("Count from one on", {"a.ml": START.replace("0 xs", "1 xs")})
    (one,), _ = mine()
    mine.accepted = Accepted(trees=frozenset({one.target}))
    assert mine() == ([], {"no parent": 1, "written by Greenloop": 1})
    # a later commit that holds what was accepted, and more, on top of something else
    mine.accepted = Accepted.read(mine.store, [(one.base, one.target)])
    mine.repo.commit("Count from zero again", {"a.ml": START + "\nlet thrice x = 3 * x\n"})
    mine.repo.commit("Count from one again", {"a.ml": START.replace("0 xs", "1 xs") + "\nlet thrice x = x * 3\n"})
    examples, dropped = mine()
    assert [one.description.rpartition(": ")[2] for one in examples] == ["Count from zero again"]
    assert dropped == {"no parent": 1, "written by Greenloop": 2}


def test_the_same_again_from_stored_verdicts_and_the_repository_as_it_was(mine: Mine) -> None:
    for number in (3, 4):
        mine.repo.commit(f"Change how twice counts, {number}", {"a.ml": START.replace("2 * x", f"{number} * x")})
    before = fingerprint(mine.repo.root)
    first = [one.to_json() for one in mine()[0]]
    assert fingerprint(mine.repo.root) == before
    assert len(first) == 2

    def refuse(*_: object) -> None:
        raise AssertionError("judged again")

    mine.engine._judge_batch = refuse  # type: ignore[method-assign, assignment]
    assert [one.to_json() for one in mine()[0]] == first
