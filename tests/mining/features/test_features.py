"""Features from a git repository, from exported requests, and the reviews that stand in their sources."""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest
from tests.mining.commits.histories import Repository as History

from greenloop.mining.features.branch import from_branch
from greenloop.mining.features.crs import reviews
from greenloop.mining.features.reading import read_feature
from greenloop.mining.features.revisions import from_revisions
from greenloop.records import Comment, Feature, InputError
from greenloop.workspace.store import TreeStore


@dataclass
class Repository:
    """A git repository of one file, and a store."""

    root: Path
    store: TreeStore

    def git(self, *words: str) -> str:
        options = ("-c", "user.name=a", "-c", "user.email=a@example.org")
        done = subprocess.run(["git", *options, *words], cwd=self.root, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    def commit(self, text: str, name: str = "a.ml") -> str:
        (self.root / name).write_text(text)
        self.git("add", "-A")
        self.git("commit", "-qm", "one")
        return self.git("rev-parse", "HEAD")

    def read(self, held: object) -> Feature:
        file = self.root.parent / "feature.json"
        file.write_text(held if isinstance(held, str) else json.dumps(held))
        return read_feature(self.store, self.root, file)


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    root = tmp_path / "repository"
    root.mkdir()
    found = Repository(root, TreeStore(tmp_path / "store"))
    found.git("init", "-q", "-b", "main")
    return found


def test_two_revisions(repository: Repository) -> None:
    base, target = repository.commit("let a = 1\n"), repository.commit("let a = 2\n")
    feature = from_revisions(repository.store, repository.root, base, target, title="two")
    assert repository.store.read(feature.base, "a.ml") == b"let a = 1\n"
    assert repository.store.read(feature.target, "a.ml") == b"let a = 2\n"
    assert feature.title == "two"


@pytest.mark.parametrize("vcs", ["git", "hg"])
def test_a_branch_begins_where_it_left_and_says_what_its_commits_say(vcs: Literal["git", "hg"], tmp_path: Path) -> None:
    repo, store = History(vcs, tmp_path / "repository"), TreeStore(tmp_path / "store")
    left = repo.commit("Begin", {"a.ml": "let a = 1\n"})
    main = repo.commit("Go on", {"b.ml": "let b = 1\n"})
    repo.branch_from(left, "topic")
    repo.commit("Make it two", {"a.ml": "let a = 2\n"}, by="Bob <bob@example.org>")
    one = from_branch(store, repo.root, main, "topic")
    assert store.files(one.base).keys() == store.files(one.target).keys() == {"a.ml"}
    assert (one.title, one.description, one.author) == ("Make it two", "Make it two", "Bob")
    assert one.time == repo.time
    repo.commit("Make it three\n\nTwo was too few.", {"a.ml": "let a = 3\n"})
    both = from_branch(store, repo.root, main, "topic")
    assert (both.title, both.description) == ("", "Make it two\n\nMake it three\n\nTwo was too few.")
    assert store.read(both.target, "a.ml") == b"let a = 3\n"
    with pytest.raises(InputError, match="no commit that topic lacks"):
        from_branch(store, repo.root, "topic", left)
    with pytest.raises(InputError, match="no revision 'nowhere'"):
        from_branch(store, repo.root, main, "nowhere")


def test_a_pull_request_begins_where_its_branch_left(repository: Repository) -> None:
    left = repository.commit("let a = 1\n")
    repository.git("checkout", "-qb", "topic")
    head = repository.commit("let a = 2\n")
    repository.git("checkout", "-q", "main")
    moved_on = repository.commit("let other = 1\n", "b.ml")
    pull = {
        "title": "Two", "body": None, "user": {"login": "ada"}, "created_at": "2026-01-31T12:00:00Z",
        "html_url": "https://example.org/pull/7", "base": {"sha": moved_on}, "head": {"sha": head}, "comments": 2,
    }  # fmt: skip
    review = {"body": "why?", "user": {"login": "bob"}, "path": "a.ml", "line": 1, "side": "RIGHT"}
    gone = {"body": "and this?", "user": {"login": "bob"}, "path": "a.ml", "line": None, "side": "LEFT"}
    feature = repository.read({"pull_request": pull, "review_comments": [review, gone]})
    assert feature.base == from_revisions(repository.store, repository.root, left, head).base
    assert (feature.title, feature.description, feature.author, feature.time) == ("Two", "", "ada", 1769860800.0)
    assert feature.comments == (
        Comment(text="why?", author="bob", path="a.ml", line=1), Comment(text="and this?", author="bob", path="a.ml"),
    )  # fmt: skip
    assert repository.read(pull).comments == ()
    assert Feature.from_json(feature.to_json()) == feature
    assert repository.read(feature.to_json()) == feature


def test_a_merge_request(repository: Repository) -> None:
    base, head = repository.commit("let a = 1\n"), repository.commit("let a = 2\n")
    request = {
        "title": "Two", "description": "text", "author": {"username": "ada"}, "web_url": "https://example.org/7",
        "diff_refs": {"base_sha": base, "head_sha": head, "start_sha": base},
    }  # fmt: skip
    notes = [
        {"body": "added 1 commit", "system": True, "author": {"username": "ada"}},
        {"body": "why?", "author": {"username": "bob"}, "position": {"new_path": "a.ml", "new_line": 1}},
    ]
    feature = repository.read({"merge_request": request, "discussions": [{"notes": notes}]})
    assert feature.comments == (Comment(text="why?", author="bob", path="a.ml", line=1),)
    assert (feature.description, feature.source) == ("text", "gitlab https://example.org/7")


@pytest.mark.parametrize(
    ("held", "said"),
    [
        ("{", "not JSON"),
        ([], "neither a pull request"),
        ({"title": "x", "head": {}}, "no text at head.sha"),
        ({"diff_refs": None}, "no text at diff_refs.base_sha"),
        ({"pull_request": {"head": {"sha": "1" * 40}, "base": {"sha": "2" * 40}}}, "no revision"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(repository: Repository, held: object, said: str) -> None:
    repository.commit("let a = 1\n")
    with pytest.raises(InputError, match=said):
        repository.read(held)


def test_a_missing_file_is_said(repository: Repository) -> None:
    with pytest.raises(InputError, match=r"no\.json"):
        read_feature(repository.store, repository.root, repository.root / "no.json")


def test_reviews_in_the_source_are_comments_and_no_part_of_the_edit(repository: Repository) -> None:
    base = repository.commit("(* CR old for x: stays *)\nlet a = 1 (* XCR bob: done *)\nlet b = 1\n")
    target = repository.commit(
        '(* CR old for x: stays *)\nlet a = 1\n  (* CR-soon ada for bob: why\n     not "*)" (* or *) 3? *)\nlet b = 2\n'
    )
    feature = from_revisions(repository.store, repository.root, base, target)
    assert repository.store.read(feature.base, "a.ml") == b"(* CR old for x: stays *)\nlet a = 1\nlet b = 1\n"
    assert repository.store.read(feature.target, "a.ml") == b"(* CR old for x: stays *)\nlet a = 1\nlet b = 2\n"
    assert [(one.author, one.path, one.line, one.text) for one in feature.comments] == [
        ("bob", "a.ml", 2, "XCR bob: done"),
        ("ada", "a.ml", 3, 'CR-soon ada for bob: why not "*)" (* or *) 3?'),
    ]


@pytest.mark.parametrize(
    ("path", "source", "found"),
    [
        ("a.ml", b"(* CR ada: text *)", ["CR ada: text"]),
        ("a.ml", b"(* CR: text *)", ["CR: text"]),
        ("a.ml", b"(* CRITICAL: text *)(* the CR ada: text *)", []),
        ("a.ml", b"(* CR someone said it *)", []),
        ("dune", b"; CR ada for bob: why?\n(library)\n", ["CR ada for bob: why?"]),
        ("README.md", b"CR ada: text", []),
    ],
)
def test_what_is_a_review(path: str, source: bytes, found: list[str]) -> None:
    assert [one.text for one in reviews(path, source)] == found
