"""``Globs`` decides as git does."""

import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from greenloop.workspace.vcs.globs import Globs

PARTS = st.sampled_from(["*", "?", "a", "b", "ab", "[ab]", "[!a]", "[a-c]", "[]a]", "[[:alpha:]]", "\\*", ".c", "a*"])
# two stars beside something else in one segment mean one thing or another to git, by what stands before them
SEGMENT = st.just("**") | st.lists(PARTS, min_size=1, max_size=3).map("".join).filter(lambda text: "**" not in text)
PATTERN = st.lists(SEGMENT, min_size=1, max_size=3).map("/".join)
RULE = st.tuples(
    st.sampled_from(["", "", "", "!"]), st.sampled_from(["", "", "/"]), PATTERN, st.sampled_from(["", "", "/"])
).map("".join)
NAME = st.sampled_from(["a", "b", "ab", "abc", "c", "d.c", "*", "-"])
PATH = st.lists(NAME, min_size=1, max_size=4).map("/".join)


@pytest.fixture(scope="module")
def repo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("repo")
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    return folder


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(RULE, min_size=1, max_size=4), st.lists(PATH, min_size=1, max_size=30, unique=True))
def test_a_path_is_out_where_git_ignores_it(repo: Path, rules: list[str], paths: list[str]) -> None:
    (repo / ".gitignore").write_text("".join(f"{rule}\n" for rule in rules))
    done = subprocess.run(
        ["git", "check-ignore", "--no-index", "--stdin"], cwd=repo, capture_output=True, check=False,
        input="".join(f"{path}\n" for path in paths), text=True,
    )  # fmt: skip
    assert done.returncode in {0, 1}
    globs = Globs(rules)
    assert [path for path in paths if globs.match(path.encode())] == done.stdout.splitlines()


def test_the_rule_is_named_by_its_text() -> None:
    globs = Globs(["# a remark", "", "*.log  ", "!keep.log", "/data/"])

    assert [globs.match(path) for path in (b"a/x.log", b"keep.log", b"data/keep.log", b"x/data/y", b"y")] == [
        "*.log  ", None, "/data/", None, None,
    ]  # fmt: skip
    assert bool(globs)
    assert not Globs(["# a remark"])
