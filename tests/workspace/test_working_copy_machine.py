"""Whatever people do to a working copy, what is told path by path ends in the tree that a first reading gives."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from greenloop.workspace.store import TreeStore
from greenloop.workspace.vcs import WorkingCopy

FOLDERS = ["", "a", "a/b", "c", "out"]
NAMES = ["x.ml", "y.ml", "z.o", "x", "é\n"]
PATHS = st.builds(lambda folder, name: str(Path(folder, name)), st.sampled_from(FOLDERS), st.sampled_from(NAMES))
CONTENTS = st.sampled_from(["one\n", "two\n", "six\r\n", ""])
RULES = st.sampled_from(["", "*.o\n", "out/\n", "*\n!*.ml\n", "x\n", "/a/\n", "b/\n"])


class Machine(RuleBasedStateMachine):
    """Edits below ``root``; after each, ``touch`` is told what an editor would have written."""

    def __init__(self) -> None:
        super().__init__()
        self.home = Path(tempfile.mkdtemp(prefix="greenloop-"))
        self.root = self.home / "root"
        self.root.mkdir()
        self.store = TreeStore(self.home / "store")
        self.touched: set[bytes] = set()
        self.checked = 0

    def teardown(self) -> None:
        self.copy.close()
        shutil.rmtree(self.home)

    def run(self, *command: str) -> None:
        subprocess.run(command, cwd=self.root, capture_output=True, check=False)

    def start(self) -> None:
        self.copy = WorkingCopy(self.root, self.store, self.home / "cache")
        self.copy.reconcile()

    def told(self, *paths: str) -> None:
        self.touched |= {os.fsencode(path) for path in paths}

    def clear(self, path: str) -> None:
        """Make way for ``path`` as an editor never does: files on the way become folders, folders go."""
        full = self.root / path
        parents = [self.root / parent for parent in Path(path).parents if str(parent) != "."]
        for place in (*reversed(parents), full):
            if place.is_symlink() or place.is_file():
                place.unlink()
                self.told(str(place.relative_to(self.root)))
        if full.is_dir():
            self.told(*(str(found.relative_to(self.root)) for found in full.rglob("*")), path)
            shutil.rmtree(full)

    @rule(path=PATHS, content=CONTENTS, executable=st.booleans())
    def write(self, path: str, content: str, executable: bool) -> None:
        self.clear(path)
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_bytes(content.encode())
        (self.root / path).chmod(0o755 if executable else 0o644)
        self.told(path)

    @rule(path=PATHS)
    def delete(self, path: str) -> None:
        self.clear(path)

    @rule(path=PATHS, goal=st.sampled_from(["x", "a", "../outside", "nowhere"]))
    def link(self, path: str, goal: str) -> None:
        self.clear(path)
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).symlink_to(goal)
        self.told(path)

    @rule(old=st.sampled_from([*FOLDERS[1:], "x.ml", "a/x.ml"]), new=st.sampled_from(["d", "a", "c", "x"]))
    def rename(self, old: str, new: str) -> None:
        """Only the two names are told, as the kernel tells the move of a folder."""
        if (self.root / old).exists() and not Path(new).is_relative_to(old) and not Path(old).is_relative_to(new):
            self.clear(new)
            (self.root / old).rename(self.root / new)
            self.told(old, new)

    @rule(path=PATHS)
    def touch_stamp(self, path: str) -> None:
        full = self.root / path
        if full.is_file() and not full.is_symlink():
            os.utime(full, ns=(1_600_000_000_000_000_000, 1_600_000_000_000_000_000))
            self.told(path)

    @rule(path=PATHS)
    def same_length_same_time(self, path: str) -> None:
        """What neither the length nor the modification time shows."""
        full = self.root / path
        if full.is_file() and not full.is_symlink():
            before = full.stat()
            full.write_bytes(full.read_bytes().swapcase())
            os.utime(full, ns=(before.st_atime_ns, before.st_mtime_ns))
            self.told(path)

    @rule(again=st.booleans())
    def look(self, again: bool) -> None:
        self.compare(again)

    @rule()
    def restart(self) -> None:
        self.copy.close()
        self.start()
        self.touched.clear()

    def compare(self, again: bool) -> None:
        told, self.touched = self.touched, set()
        touched = self.copy.touch(told)
        fresh = WorkingCopy(self.root, self.store, self.home / f"fresh-{self.checked}")
        self.checked += 1
        try:
            expected = self.expected(fresh.reconcile().tree)
        finally:
            fresh.close()
        if touched.tree != expected:
            assert self.store.files(touched.tree) == self.store.files(expected), touched.why_full
        if again:
            assert self.store.files(self.copy.reconcile().tree) == self.store.files(expected)

    def expected(self, fresh: str) -> str:
        return fresh

    @invariant()
    @precondition(lambda self: hasattr(self, "copy"))
    def settled(self) -> None:
        """Every third step is looked at by itself, so that steps come alone and in groups."""
        if len(self.touched) > 3:
            self.compare(False)


class Plain(Machine):
    @initialize()
    def begin(self) -> None:
        self.start()


class Git(Machine):
    @initialize()
    def begin(self) -> None:
        self.run("git", "init", "-q")
        self.start()

    @rule(folder=st.sampled_from(FOLDERS), rules=RULES)
    def ignore(self, folder: str, rules: str) -> None:
        self.clear(str(Path(folder, ".gitignore")))
        (self.root / folder).mkdir(parents=True, exist_ok=True)
        (self.root / folder / ".gitignore").write_text(rules)
        self.told(str(Path(folder, ".gitignore")))

    @rule(rules=RULES)
    def exclude(self, rules: str) -> None:
        (self.root / ".git/info/exclude").write_text(rules)

    @rule(path=PATHS)
    def force(self, path: str) -> None:
        self.run("git", "add", "-f", "--", path)

    @rule(path=PATHS)
    def untrack(self, path: str) -> None:
        self.run("git", "rm", "-q", "--cached", "--", path)

    @rule()
    def commit(self) -> None:
        self.run("git", "add", "-A")
        self.run("git", "commit", "-q", "-m", "x")

    @rule()
    def attributes(self) -> None:
        (self.root / ".gitattributes").write_text("* text=auto eol=lf\n*.ml ident\n")
        self.told(".gitattributes")

    def expected(self, fresh: str) -> str:
        """git's own answer, from an index beside the repository's and with no conversion."""
        index, attributes = self.home / "index", self.root / ".git/info/attributes"
        index.unlink(missing_ok=True)
        if (self.root / ".git/index").exists():
            shutil.copyfile(self.root / ".git/index", index)
        attributes.write_text("* -text -ident -eol\n")
        environment = {
            **os.environ, "GIT_INDEX_FILE": str(index), "GIT_OBJECT_DIRECTORY": str(self.store.path / "objects"),
            "GIT_ALTERNATE_OBJECT_DIRECTORIES": str(self.root / ".git/objects"),
        }  # fmt: skip

        def git(*arguments: str, given: bytes = b"") -> bytes:
            done = subprocess.run(
                ["git", *arguments], cwd=self.root, env=environment, check=True, capture_output=True, input=given
            )
            return done.stdout

        # without time stamps: git itself would miss what changed in one second and has its old time
        git("update-index", "-z", "--index-info", given=git("ls-files", "-s", "-z"))
        git("add", "-A")
        shadow = git("write-tree").decode().strip()
        attributes.unlink()
        if shadow != fresh:
            assert git("ls-tree", "-r", fresh) == git("ls-tree", "-r", shadow)
        return shadow


class Mercurial(Machine):
    @initialize()
    def begin(self) -> None:
        self.run("hg", "init")
        self.start()

    @rule(rules=st.sampled_from(["", "\\.o$\n", "^out/\n", "syntax: glob\nx\n*.ml\n"]))
    def ignore(self, rules: str) -> None:
        (self.root / ".hgignore").write_text(rules)
        self.told(".hgignore")

    @rule()
    def commit(self) -> None:
        self.run("hg", "commit", "-q", "--addremove", "-m", "x")

    @rule()
    def update(self) -> None:
        """Back to the first commit: what changes is told as files are."""
        before = self.listing()
        self.run("hg", "update", "-q", "--clean", "0")
        self.told(*(path for path, _ in before ^ self.listing()))

    def listing(self) -> set[tuple[str, int]]:
        files = (path for path in self.root.rglob("*") if ".hg" not in path.parts and not path.is_dir())
        return {(str(path.relative_to(self.root)), path.lstat().st_ctime_ns) for path in files}


quick = settings(
    max_examples=25, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True
)
TestPlain = Plain.TestCase
TestPlain.settings = quick
TestMercurial = Mercurial.TestCase
# hg takes a fifth of a second to start
TestMercurial.settings = settings(quick, max_examples=8, stateful_step_count=15)
TestGit = Git.TestCase
TestGit.settings = quick
