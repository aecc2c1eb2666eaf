"""A team whose tools are shell scripts that its revisions hold, and pools over its repository.

They are judged by the real engine in the real sandbox.
"""

import contextlib
import hashlib
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from greenloop.builds.engine import Engine
from greenloop.builds.sandbox import Bubblewrap, Limits
from greenloop.builds.toolchains.command import CommandConfig, CommandToolchain
from greenloop.builds.verdicts import VerdictStore
from greenloop.ces.pool import Pool
from greenloop.ces.revisions import Revisions
from greenloop.records import EvaluationRequest, TreeId, WarmBuild
from greenloop.workspace.store import Entry, Mode, TreeStore

TOOLS = CommandConfig(
    check="sh check.sh",
    build="cat out/built",
    test="sh test.sh",
    warm=("sh warm.sh",),
    test_pattern=r"^(?P<name>\w+) (?P<status>ok|FAIL)$",
    warm_seconds=30,
)
GREEN = {
    "check.sh": "exit 0\n",
    "warm.sh": "mkdir -p out; echo built > out/built\n",
    "test.sh": "echo one ok; echo two ok\n",
    **{f"f{number}.txt": f"{number}\n" for number in range(8)},
}
Make = Callable[..., Pool]


class Team:
    """A git repository, and all that a pool needs, in one folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.repo = root / "repo"
        self.store = TreeStore(root / "store")
        self.repo.mkdir()
        self.git("init", "-q", "-b", "main")
        self.commit(GREEN)

    def git(self, *arguments: str) -> str:
        done = subprocess.run(["git", *arguments], cwd=self.repo, capture_output=True, check=True)
        return done.stdout.decode().strip()

    def commit(self, files: Mapping[str, str], branch: str = "main") -> str:
        """Write files and commit them on a branch that begins at main where it is new."""
        exists = self.git("branch", "--list", branch)
        if branch != "main":
            self.git("checkout", "-q", *(() if exists else ("-b",)), branch)
        for path, text in files.items():
            (self.repo / path).parent.mkdir(parents=True, exist_ok=True)
            (self.repo / path).write_text(text)
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", "x")
        commit = self.git("rev-parse", "HEAD")
        self.git("checkout", "-q", "main")
        return commit

    def engine(self, version: str = "") -> Engine:
        """Return an engine with these tools; another version makes them others."""
        return Engine(
            store=self.store,
            verdicts=VerdictStore(self.root / "verdicts.sqlite"),
            toolchain=CommandToolchain(TOOLS.model_copy(update={"version": version})),
            sandbox=Bubblewrap(limits=Limits(wall_seconds=60)),
            scratch=self.root / "scratch",
        )

    def edited(self, tree: TreeId, files: Mapping[str, str]) -> TreeId:
        return self.store.update(
            tree, {path: Entry(Mode.FILE, self.store.write_blob(text.encode())) for path, text in files.items()}
        )

    @property
    def shelf(self) -> Path:
        return self.root / "scratch" / "warm"

    def folder(self, build: WarmBuild) -> Path:
        """Return the folder of a warm build."""
        (folder,) = self.shelf.glob(f"*-{build.tree}/")
        return folder

    def kept(self, build: WarmBuild) -> str:
        """Return its name."""
        return self.folder(build).name

    def digest(self, build: WarmBuild) -> str:
        """Hash every path of a warm build with its mode, times and content."""
        found = hashlib.sha256()
        for path in sorted(self.folder(build).rglob("*")):
            status = path.lstat()
            content = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
            found.update(repr((str(path), status.st_mode, status.st_mtime_ns, status.st_ctime_ns, content)).encode())
        return found.hexdigest()

    def disk_mib(self) -> int:
        """Return what the shelf takes, as ``du`` counts."""
        du = subprocess.run(["du", "-s", "--block-size=1M", str(self.shelf)], capture_output=True, check=False)
        return int(du.stdout.split()[0])

    @staticmethod
    def request(revision: str | None = None, base_tree: TreeId | None = None) -> EvaluationRequest:
        """Return a request on a base."""
        return EvaluationRequest(revision=revision, base_tree=base_tree, diff="x")

    @staticmethod
    def state(pool: Pool, revision: str) -> str:
        """Return the state in which the pool lists a revision."""
        return next((build.state for build in pool.builds() if build.revision == revision), "")

    @staticmethod
    def wait_for(truth: Callable[[], object]) -> None:
        """Wait until something is so, for a minute at the most."""
        deadline = time.monotonic() + 60
        while not truth():
            assert time.monotonic() < deadline
            time.sleep(0.02)


@pytest.fixture
def team(tmp_path: Path) -> Team:
    return Team(tmp_path)


@pytest.fixture
def make(team: Team) -> Iterator[Make]:
    """Return a function that opens a pool, closed when the test ends."""
    with contextlib.ExitStack() as stack:

        def pool(**settings: object) -> Pool:
            given: dict[str, object] = {"repeats": 1, "disk_mib": 1000, "keep": 8} | settings
            made = Pool(
                engine=given.pop("engine", None) or team.engine(),  # type: ignore[arg-type]
                store=team.store,
                revisions=Revisions(team.store, {"ours": team.repo}),
                root=team.root / "pool",
                **given,  # type: ignore[arg-type]
            )
            stack.callback(made.close)
            return made

        yield pool
