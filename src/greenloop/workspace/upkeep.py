"""Keeping a tree store small and sound: repacking, removing what nothing refers to, and checking every byte.

git does the work, with an environment of its own and at the lowest priority. Refs are the only roots: trees of the
evaluation service and candidates are a cache, and go when they are old.
"""

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from greenloop.records import EnvironmentFault, GreenloopError
from greenloop.storage import named_io_errors
from greenloop.workspace.chains import Chains
from greenloop.workspace.packing import TEMPORARY
from greenloop.workspace.store import TreeStore

GRACE_SECONDS = 14 * 86400.0
"""How long objects that nothing refers to are kept."""

_STALE_SECONDS = 3600.0
_LEFT_OVER = ("tmp_*", ".tmp-*", "*.lock")


class Upkeep:
    """Looks after ``trees``. Only one upkeep runs at a time; another one waits.

    All methods raise ``EnvironmentFault`` when the disk refuses or an object is damaged; then nothing is lost.
    """

    def __init__(self, trees: TreeStore) -> None:
        self._trees = trees
        self._path = trees.path

    def repack(self, *, thorough: bool = False) -> None:
        """Put many packs into few, while others read and write; nothing is removed.

        Quick, it joins small packs (``git repack --geometric``) and compresses nothing anew; ``thorough``, it looks
        for the differences between all objects, which takes minutes in a large store and makes it many times smaller.
        """
        guard = self._trees.durable.guard
        with guard.upkeep():
            with guard.moving():
                self._clear(_STALE_SECONDS)
                self._trees.durable.flush_alone()
            if thorough:
                self._git("repack", "-d", "-q", "-n", "-F", "--cruft", "--cruft-expiration=never", *_DEEP)
            else:
                self._git("repack", "-d", "-q", "-n", "--geometric=2")

    def prune(self, older_than_seconds: float = GRACE_SECONDS) -> None:
        """Remove the objects that no ref leads to and that are older; 0 removes all of them.

        Writers wait meanwhile. Whoever reads a history that was deleted meanwhile gets ``InputError``.
        """
        guard = self._trees.durable.guard
        with guard.upkeep(), guard.moving(removed=True):
            self._clear(min(older_than_seconds, _STALE_SECONDS))
            self._trees.durable.flush_alone()
            # git counts in whole seconds, and what was written in this one is older than "now" must be
            limit = "now" if older_than_seconds <= 0 else f"{int(time.time() - older_than_seconds)} +0000"
            self._git("repack", "-d", "-q", "-n", "--cruft", f"--cruft-expiration={limit}")
            self._git("prune", f"--expire={limit}")
        self._trees.renew()

    def fsck(self) -> tuple[str, ...]:
        """Hash every object again and follow every ref, staged ones too; return what is wrong, a sentence each."""
        durable = self._trees.durable
        with durable.guard.upkeep():
            said = [*durable.file.verify(), *self._refs()]
            if not said:
                # git sees what is in packs only, and a tree may be there before the files that it names
                with durable.guard.moving():
                    durable.flush_alone()
            said += self._git_fsck()
        return tuple(dict.fromkeys(said))

    def size_bytes(self) -> int:
        """Return how many bytes the store takes on the disk, by the sizes of its files."""
        total = 0
        for folder, _, names in os.walk(self._path):
            for name in names:
                try:
                    total += Path(folder, name).stat().st_size
                except FileNotFoundError:
                    continue
        return total

    def _refs(self) -> Iterator[str]:
        """Say which staged refs lead nowhere: git sees what is flushed only."""
        try:
            packed = self._trees.durable.packed()
            tips = self._trees.refs("refs/")
        except EnvironmentFault as error:
            yield str(error)
            return
        chains = Chains(self._trees)
        known: set[str] = set()
        for ref, tip in tips.items():
            if packed.get(ref) == tip:
                continue
            try:
                for link in chains.walk(tip, packed.get(ref)):
                    self._whole(link.tree, known)
            except GreenloopError as error:
                yield f"{ref}: {error}"

    def _whole(self, tree: str, known: set[str]) -> None:
        """Raise ``InputError`` unless a tree and all in it is there and whole; what is ``known`` to be is passed by."""
        if tree in known:
            return
        known.add(tree)
        for below in self._trees.folders(tree):
            self._whole(below, known)
        for blob in self._trees.blobs(tree):
            if blob not in known:
                known.add(blob)
                self._trees.read_blob(blob)

    def _git_fsck(self) -> Iterator[str]:
        done = self._run("fsck", "--full", "--no-dangling", "--no-reflogs", "--no-progress")
        lines = (done.stdout + done.stderr).decode("utf-8", "replace").splitlines()
        said = [line for line in lines if line and not line.startswith("notice: ")]
        if done.returncode != 0 or said:
            yield from (f"{self._path}: {line}" for line in said or [f"git fsck ended with status {done.returncode}"])

    def _clear(self, age: float) -> None:
        """Remove what those left that were killed: no writer is there now, but git may be, outside our locks."""
        now = time.time()
        with named_io_errors(self._path):
            folders = [self._path, *(found for found in (self._path / "objects").iterdir() if found.is_dir())]
            for path in (found for folder in folders for name in _LEFT_OVER for found in folder.glob(name)):
                if path.name.startswith("greenloop-"):
                    continue
                if path.name.startswith(TEMPORARY) or now - path.stat().st_mtime >= age:
                    path.unlink(missing_ok=True)
            for pack in (self._path / "objects/pack").glob("*.pack"):
                # killed between the two: git repack stumbles over a pack without its index, and nothing is read from it
                if not pack.with_suffix(".idx").exists():
                    pack.unlink()

    def _git(self, *arguments: str) -> None:
        done = self._run(*arguments)
        if done.returncode != 0:
            said = done.stderr.decode("utf-8", "replace").strip()[-500:] or f"it ended with status {done.returncode}"
            raise EnvironmentFault(f"{self._path}: git {arguments[0]}: {said}", "is the disk full? nothing is lost")

    def _run(self, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        settings = (f"--git-dir={self._path}", *(word for setting in _SETTINGS for word in ("-c", setting)))
        environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}
        environment |= {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull, "HOME": os.devnull}
        # a failpoint that is preloaded into us counts git's writes too
        environment |= {name: value for name, value in os.environ.items() if name in {"LD_PRELOAD", "FAILPOINT"}}
        command = ["nice", "-n", "19", "git", *settings, *arguments]
        return subprocess.run(command, capture_output=True, check=False, env=environment, cwd=self._path)


_SETTINGS = (
    *("gc.auto=0", "pack.threads=1", "core.fsync=all", "core.fsyncMethod=fsync", "pack.writeReverseIndex=false"),
    *("repack.writeBitmaps=false", "pack.windowMemory=256m", "core.bigFileThreshold=16m", "maintenance.auto=false"),
)
_DEEP = ("--window=50", "--depth=50")
"""As deep as ``git gc --aggressive`` (git-gc(1)); reading stays quick."""
