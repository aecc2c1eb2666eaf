"""Walking a history: every commit behind its parents, one at a time, and the repository stays as it was."""

from pathlib import Path
from typing import Literal

import psutil
import pytest
from tests.mining.commits.histories import ADA, Repository
from tests.workspace.checkouts import fingerprint

from greenloop.records import InputError
from greenloop.workspace.vcs import open_history


@pytest.fixture(params=["git", "hg"])
def repo(request: pytest.FixtureRequest, tmp_path: Path) -> Repository:
    return Repository(request.param, tmp_path / "repo")


def test_parents_come_first_whatever_the_clocks_say(repo: Repository) -> None:
    first = repo.commit("one", {"a": "1"})
    late = repo.commit("two", {"a": "2"}, after=1_000_000)
    early = repo.commit("three", {"a": "3"}, after=-2_000_000)
    repo.branch_from(first, "side")
    side = repo.commit("side", {"b": "1"}, after=-500)
    merge = repo.merge(early)
    found = list(open_history(repo.root).commits())
    place = {commit.id: number for number, commit in enumerate(found)}
    assert set(place) == {first, late, early, side, merge}
    assert all(place[parent] < place[commit.id] for commit in found for parent in commit.parents)
    assert found[-1].parents == (side, early)
    assert found == list(open_history(repo.root).commits())
    assert open_history(repo.root).count() == 5


def test_what_a_commit_says(repo: Repository) -> None:
    repo.commit("Add é\n\nThe reason.\n", {"a": "1"}, by="Zoë Quist <zoe@example.org>")
    (found,) = open_history(repo.root).commits()
    assert (found.subject, found.author, found.email) == ("Add é", "Zoë Quist", "zoe@example.org")
    assert found.message.rstrip() == "Add é\n\nThe reason."
    assert (found.time, found.parents) == (repo.time, ())


def test_a_range_and_the_newest_of_it(repo: Repository) -> None:
    commits = [repo.commit(f"number {number}", {"a": str(number)}) for number in range(4)]

    def found(revisions: str, most: int = 0) -> list[str]:
        history = open_history(repo.root, revisions, most)
        ids = [commit.id for commit in history.commits()]
        assert len(ids) == history.count()
        return ids

    assert found(f"{commits[0]}..{commits[2]}") == commits[1:3]
    assert found(f"{commits[1][:12]}..") == commits[2:]
    assert found(commits[1]) == commits[:2]
    assert found("", 2) == commits[2:]
    assert found(f"{commits[0]}..", 9) == commits[1:]
    assert found(f"{commits[2]}..{commits[2]}") == []


@pytest.mark.parametrize("revisions", ["nowhere", "..nowhere", "a...b", "--all", "-1..", "all()"])
def test_what_is_no_range_is_said(repo: Repository, revisions: str) -> None:
    repo.commit("one", {"a": "1"})
    with pytest.raises(InputError, match=r"no revision|no range|no name"):
        open_history(repo.root, revisions)


def test_a_folder_without_a_repository_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no git or Mercurial repository"):
        open_history(tmp_path)


def test_nothing_of_the_repository_changes(repo: Repository) -> None:
    for number in range(3):
        repo.commit(f"number {number}", {"a": str(number)})
    before = fingerprint(repo.root)
    assert len(list(open_history(repo.root).commits())) == 3
    assert open_history(repo.root, "", 1).count() == 1
    assert fingerprint(repo.root) == before


def test_a_walk_that_is_left_early_ends_its_program(repo: Repository) -> None:
    for number in range(3):
        repo.commit(f"number {number}", {"a": str(number)})
    others = set(psutil.Process().children(recursive=True))
    walk = open_history(repo.root).commits()
    assert next(walk).subject == "number 0"
    assert set(psutil.Process().children(recursive=True)) - others
    walk.close()  # type: ignore[attr-defined]
    assert not set(psutil.Process().children(recursive=True)) - others


@pytest.mark.parametrize("encoding", ["", "ISO-8859-1"])
def test_git_messages_in_other_encodings(tmp_path: Path, encoding: str) -> None:
    repo = Repository("git", tmp_path / "repo")
    repo.write({"a": "1"})
    repo("add", "-A")
    tree = repo("write-tree")
    head = f"tree {tree}\nauthor J\xfcrgen <j@x> 0 +0000\ncommitter J\xfcrgen <j@x> 0 +0000\n"
    head += f"encoding {encoding}\n" if encoding else ""
    made = repo("hash-object", "-t", "commit", "-w", "--stdin", given=f"{head}\n\xc4ndere es\n".encode("latin-1"))
    (found,) = open_history(repo.root, made).commits()
    expected = ("Jürgen", "Ändere es") if encoding else ("J\ufffdrgen", "\ufffdndere es")
    assert (found.author, found.subject) == expected


def test_a_shallow_clone_begins_where_it_was_cut(tmp_path: Path) -> None:
    repo = Repository("git", tmp_path / "repo")
    for number in range(4):
        repo.commit(f"number {number}", {"a": str(number)})
    repo("clone", "-q", "--depth", "2", f"file://{repo.root}", str(tmp_path / "shallow"))
    found = list(open_history(tmp_path / "shallow").commits())
    assert [commit.subject for commit in found] == ["number 2", "number 3"]
    assert found[0].parents == ()


def test_mercurial_names_and_hidden_changesets(tmp_path: Path) -> None:
    vcs: Literal["hg"] = "hg"
    repo = Repository(vcs, tmp_path / "repo")
    first = repo.commit("one", {"a": "1"}, by=ADA)
    repo("bookmark", "topic")
    second = repo.commit("two", {"a": "2"})
    assert [one.id for one in open_history(repo.root, f"{first}..topic").commits()] == [second]
    assert [one.id for one in open_history(repo.root, "0..1").commits()] == [second]
    repo("bookmark", "--delete", "topic")
    repo("update", "-q", first)
    repo("--config", "experimental.evolution=all", "debugobsolete", second)
    assert [one.id for one in open_history(repo.root).commits()] == [first]
    with pytest.raises(InputError, match="no revision"):
        open_history(repo.root, second)


@pytest.mark.parametrize(
    ("date", "seconds"),
    [(" -315619200 +0000", 0), ("", 0), (" 99999999999999999999 +0000", 0), (" 253402300799 +0000", 253402300799)],
)
def test_git_dates_that_no_calendar_shows(tmp_path: Path, date: str, seconds: int) -> None:
    repo = Repository("git", tmp_path / "repo")
    tree = repo("write-tree")
    who = f"A <a@x>{date}"
    commit = f"tree {tree}\nauthor {who}\ncommitter {who}\n\nAdd\n".encode()
    made = repo("hash-object", "-t", "commit", "-w", "--literally", "--stdin", given=commit)
    (found,) = open_history(repo.root, made).commits()
    assert (found.time, found.author, found.subject) == (seconds, "A", "Add")


def test_mercurial_dates_before_1970(tmp_path: Path) -> None:
    repo = Repository("hg", tmp_path / "repo")
    repo.time = -315_619_200
    repo.commit("one", {"a": "1"}, after=0)
    (found,) = open_history(repo.root).commits()
    assert found.time == -315_619_200


def test_a_graft_changes_no_parent(tmp_path: Path) -> None:
    repo = Repository("git", tmp_path / "repo")
    commits = [repo.commit(f"number {number}", {"a": str(number)}) for number in range(4)]
    (repo.root / ".git/info/grafts").write_text(f"{commits[3]} {commits[0]}\n{commits[1]}\n")
    found = list(open_history(repo.root).commits())
    assert [commit.parents for commit in found] == [(), *((one,) for one in commits[:3])]
    assert open_history(repo.root, f"{commits[0]}..").count() == 3


def test_a_byte_order_mark_is_no_part_of_a_subject(repo: Repository) -> None:
    repo.commit("\ufeffAdd one\r\n\r\nMore.\r\n", {"a": "1"})
    (found,) = open_history(repo.root).commits()
    assert found.subject == "Add one"
