"""The pool of warm builds: made in the background, judged before anything is judged above them, evicted when space is.

Invariants: only a build whose own tree was judged green is handed out; only trees of named revisions are ever warmed,
never one that a request brought; a build that somebody judges above is not evicted; what a killed process left half
made is never taken for a build. The builds stand on the engine's shelf and are held there by ``flock``, so that
several processes may share it; what is known of the green ones lies in ``builds.sqlite`` beside.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from greenloop.builds.shelf import Hold, Shelf
from greenloop.builds.stop import Stop
from greenloop.ces.build_book import BuildBook
from greenloop.ces.entries import Entry, Made
from greenloop.ces.revisions import Found, Revisions
from greenloop.ces.warming import Warmer, Warmth, warm_up
from greenloop.records import (
    EvaluationRequest,
    GreenloopError,
    InfrastructureError,
    InputError,
    Overloaded,
    Suite,
    TreeId,
    WarmBuild,
)
from greenloop.storage import named_io_errors
from greenloop.workspace.store import TreeStore

_MAX_QUEUED = 64
"""Revisions that may wait to be warmed."""
_NAMES = 20
"""Names of one build that are kept beside the last."""
_REMEMBERED = 100
"""Builds that failed or went, of which the list still tells."""
_TICK_SECONDS = 0.05
"""How soon somebody who waits for a build notices that nobody wants it any more."""
_COME_BACK_SECONDS = 5.0


class Pool:
    """Holds green builds of revisions ready. Safe to use from several threads; ``close`` it in the end."""

    def __init__(
        self,
        *,
        engine: Warmer,
        store: TreeStore,
        revisions: Revisions,
        root: Path,
        suite: Suite = Suite.TEST,
        disk_mib: int = 20_480,
        keep: int = 8,
        repeats: int = 2,
        warmers: int = 1,
        patience: float = 60.0,
        release: Callable[[TreeId], object] = lambda _: None,
    ) -> None:
        """``root`` is a folder of Greenloop's own for the pool's book.

        ``suite``: how far a revision must be green. ``disk_mib``: what all warm builds on the engine's shelf may take,
        in MiB of disk; ``keep``: how many green ones there may be. ``repeats``: how often a revision's tests are run.
        ``warmers``: builds made at the same time, each as much memory as a whole build takes. ``patience``: seconds
        that a request waits for a build. ``release`` is called before a build is evicted: it ends whatever of this
        process still holds it, such as persistent checkers (``Checkers.drop``).
        """
        self._engine = engine
        self._store = store
        self._revisions = revisions
        self._suite = suite
        self._disk = disk_mib << 20
        self._keep = max(1, keep)
        self._repeats = max(1, repeats)
        self._patience = patience
        self._release = release
        with named_io_errors(root):
            root.mkdir(parents=True, exist_ok=True)
        self._book = BuildBook(root / "builds.sqlite", engine.fingerprint)
        self._changed = threading.Condition()
        self._entries: dict[TreeId, Entry] = {}
        self._queue: deque[TreeId] = deque()
        self._evicting = threading.Lock()
        self._crew = ThreadPoolExecutor(max(1, warmers), thread_name_prefix="ces-warmer")
        self._closed = False

    def load(self) -> tuple[WarmBuild, ...]:
        """Bring back the builds that were green before this process began, without building; return them.

        What is not there any more, or not as it was when it was made, is forgotten and removed.
        """
        shelf = self._engine.warm
        shelf.sweep()
        now = time.time()
        used = {place.tree: now - rank for rank, place in reversed(list(enumerate(shelf.used())))}
        # to hold one is to use it: in the order of their last use, so that it stays what it was
        for build in sorted(self._book.builds(), key=lambda build: used.get(build.tree, 0.0)):
            holds = self._hold(build.tree)
            places = shelf.places(build.tree)
            whole = bool(holds) and all(place.built and shelf.whole(place) for place in places)
            with self._changed:
                if whole and build.tree in self._store and build.tree not in self._entries:
                    self._entries[build.tree] = Entry(build, holds=holds, used=used.get(build.tree, 0.0))
                    continue
            for hold in holds:
                hold.close()
            if not whole:
                shelf.evict(build.tree)
                self._book.forget(build.tree)
        for place in shelf.places():
            # whole by its name; but a machine that lost its power may have kept the name and not the content
            if not self._is_known(place.tree) and not shelf.whole(place):
                shelf.remove(place)
        self._shrink()
        return self.builds()

    def find(self, revision: str) -> Found:
        """See ``Bases.find``."""
        return self._revisions.find(revision)

    def builds(self) -> tuple[WarmBuild, ...]:
        """Return all that is known, newest use first. Never waits for a tool."""
        with self._changed:
            entries = sorted(self._entries.values(), key=lambda entry: entry.used, reverse=True)
            return tuple(entry.build for entry in entries)

    def warm_later(self, revision: str) -> WarmBuild:
        """Begin to warm a revision in the background, unless it is there; return what is known of it now.

        One that failed is tried again; one that is red stays red. Raises ``InputError`` when there is no such
        revision, ``Overloaded`` when too many wait to be warmed.
        """
        found = self._revisions.find(revision)
        with self._changed:
            return self._enter(found, revision, urgent=False).build

    def ensure(self, revision: str, stop: Stop | None = None) -> WarmBuild:
        """Return the build of a revision, waiting until it is ``green``, ``red`` or ``failed``.

        Raises ``InputError`` when there is no such revision, ``Cancelled`` when ``stop`` was requested meanwhile: the
        build goes on being made, since others may want it.
        """
        found = self._revisions.find(revision)
        with self._changed:
            while True:
                entry = self._enter(found, revision, urgent=True)
                self._wait(entry, stop, None)
                if entry.build.state != "evicted":
                    return entry.build

    @contextmanager
    def base_for(self, request: EvaluationRequest, stop: Stop | None = None) -> Iterator[WarmBuild]:
        """Hold the green build above which a request is judged, against eviction.

        That of ``revision`` where one is named, made when it is not there; else that of ``base_tree``, or of the green
        one with the fewest changed paths to it. Raises ``InputError`` when it is not green or none is near,
        ``InfrastructureError`` when it could not be made, ``Overloaded`` when that takes longer than the pool's
        patience, ``Cancelled``.
        """
        entry = self._take(request, stop)
        try:
            yield entry.build
        finally:
            with self._changed:
                entry.users -= 1
                entry.used = time.time()

    def close(self) -> None:
        """End what is being made, and let go of all builds; they stay on disk for ``load``. May be called again."""
        with self._changed:
            self._closed = True
            self._queue.clear()
            for entry in self._entries.values():
                if entry.stop is not None:
                    entry.stop.request()
            self._changed.notify_all()
        self._crew.shutdown()
        with self._changed:
            entries, self._entries = self._entries, {}
        for entry in entries.values():
            if entry.green:
                self._book.write(entry.build)
            entry.let_go()
        self._book.close()

    def _take(self, request: EvaluationRequest, stop: Stop | None) -> Entry:
        """Return a green entry with one user more."""
        found = None if request.revision is None else self._revisions.find(request.revision)
        deadline = time.monotonic() + self._patience
        while True:
            nearest = self._nearest(request.base_tree or "") if found is None else None
            with self._changed:
                entry = nearest or self._demand(found, request.revision or "")
                self._wait(entry, stop, deadline)
                if entry.green:
                    entry.users += 1
                    entry.used = time.time()
                    entry.count_use()
                    return entry
                if entry.build.state != "evicted":
                    raise entry.refusal()

    def _demand(self, found: Found | None, revision: str) -> Entry:
        """Return the entry of a revision, queued unless it is there or has just failed. The lock is held."""
        assert found is not None
        failed = self._entries.get(found.tree)
        if failed is not None and failed.just_failed:
            raise failed.refusal()
        return self._enter(found, revision, urgent=True)

    def _enter(self, found: Found, revision: str, *, urgent: bool) -> Entry:
        """Return the entry of a revision's tree, queued unless it is there. The lock is held."""
        if self._closed:
            raise InfrastructureError("the pool of warm builds is closed", "ask again when the service is back")
        tree = found.tree
        entry = self._entries.get(tree)
        if entry is None or entry.build.state in {"failed", "evicted"}:
            if len(self._queue) >= _MAX_QUEUED:
                raise Overloaded(
                    f"{len(self._queue)} revisions wait to be warmed", "come back later", retry_after=_COME_BACK_SECONDS
                )
            build = WarmBuild(
                revision=revision,
                names=(revision,),
                tree=tree,
                state="queued",
                toolchain=self._engine.fingerprint,
                note=found.about,
            )
            entry = self._entries[tree] = Entry(build, used=time.time())
            self._forget_some()
            self._queue.append(tree)
            self._crew.submit(self._work)
        elif entry.build.revision != revision:
            others = tuple(name for name in entry.build.names if name != revision)
            entry.build = entry.build.model_copy(update={"revision": revision, "names": (revision, *others[:_NAMES])})
        if urgent and entry.build.state == "queued" and self._queue[0] != tree:
            self._queue.remove(tree)
            self._queue.appendleft(tree)
        return entry

    def _forget_some(self) -> None:
        gone = [tree for tree, entry in self._entries.items() if entry.build.state in {"red", "failed", "evicted"}]
        for tree in gone[:-_REMEMBERED]:
            del self._entries[tree]

    def _wait(self, entry: Entry, stop: Stop | None, deadline: float | None) -> None:
        """Wait until an entry has come to an end. The lock is held, and let go of meanwhile."""
        while entry.making:
            if stop is not None:
                stop.check()
            if self._closed:
                raise InfrastructureError("the pool of warm builds was closed", "ask again when the service is back")
            if deadline is not None and time.monotonic() > deadline:
                raise Overloaded(
                    f"{entry.build.revision} is still being warmed", "come back later", retry_after=_COME_BACK_SECONDS
                )
            self._changed.wait(_TICK_SECONDS)

    def _nearest(self, tree: TreeId) -> Entry:
        """Return the entry of a tree, or the near one with the fewest changed paths; one being made only if no green
        one is."""
        with self._changed:
            entries = [entry for entry in self._entries.values() if entry.green or entry.making]
        exact = next((entry for entry in entries if entry.build.tree == tree), None)
        if exact is not None:
            return exact
        if tree not in self._store:
            raise InputError(f"{tree}: no such tree here", "send it in a pack, or name a revision")
        bound = max(4, len(self._store.files(tree)) // 2)
        candidates = [
            (not entry.green, distance, -entry.used, entry)
            for entry in entries
            if (distance := len(self._store.changes(entry.build.tree, tree))) <= bound
        ]
        if not candidates:
            raise InputError(
                f"base-not-green: no green build is near {tree}",
                "name the revision that it comes from beside `base_tree`, or warm that revision first",
            )
        return min(candidates, key=lambda one: one[:3])[3]

    def _work(self) -> None:
        """Make the next build of the queue. In a thread of the pool's own; one call for each that was queued."""
        with self._changed:
            if self._closed or not self._queue:
                return
            tree = self._queue.popleft()
            entry = self._entries[tree]
            entry.begin()
        made = Made(Warmth("failed", note="the warmer itself broke down"))
        build = entry.build
        began = time.monotonic()
        try:
            made = self._make(tree, entry.stop)
            build = made.of(build, seconds=time.monotonic() - began)
            if made.warmth.state == "green":
                # written before it is told of: whoever heard of it finds it again, whatever happens to this process
                self._book.write(build)
        except GreenloopError as error:
            made.let_go()
            made = Made(Warmth("failed", note=str(error)))
        finally:
            # whatever happened, nobody waits for ever
            with self._changed:
                entry.end(made, made.of(build, seconds=time.monotonic() - began))
                self._changed.notify_all()
        if entry.green:
            self._shrink(spare=tree)

    def _make(self, tree: TreeId, stop: Stop | None) -> Made:
        assert stop is not None
        shelf = self._engine.warm
        warmth = warm_up(self._engine, tree, self._suite, self._repeats, stop)
        holds = self._hold(tree) if warmth.state == "green" else []
        if warmth.state == "green" and not holds:
            # somebody on the same shelf evicted it in the moment in which nobody held it; or this toolchain has none
            warmth = warm_up(self._engine, tree, self._suite, self._repeats, stop)
            holds = self._hold(tree) if warmth.state == "green" else []
        size = shelf.size(tree) if holds else 0
        if size > self._disk:
            warmth = Warmth(
                "failed", note=f"it takes {size >> 20} MiB of disk, all may take {self._disk >> 20}: allow more"
            )
        if warmth.state != "green":
            for hold in holds:
                hold.close()
            shelf.evict(tree)
            return Made(warmth)
        return Made(warmth, tuple(holds), size)

    def _is_known(self, tree: TreeId) -> bool:
        with self._changed:
            return tree in self._entries

    def _hold(self, tree: TreeId) -> list[Hold]:
        shelf = self._engine.warm
        found = [shelf.hold(place) for place in shelf.places(tree)]
        return [hold for hold in found if hold is not None]

    def _shrink(self, spare: TreeId | None = None) -> None:
        """Evict what was used longest ago until the rest is within its bounds; not ``spare``, nor what is in use."""
        shelf = Shelf(self._engine.warm.root)
        stuck: set[TreeId] = {spare} if spare is not None else set()
        with self._evicting:
            while True:
                total = sum(shelf.size_of(place) for place in shelf.places())
                if total > self._disk and self._evict_strange(shelf):
                    continue
                with self._changed:
                    green = [entry for entry in self._entries.values() if entry.green]
                    idle = [entry for entry in green if not entry.users and entry.build.tree not in stuck]
                    if (total <= self._disk and len(green) <= self._keep) or not idle:
                        return
                    oldest = min(idle, key=lambda entry: entry.used)
                    oldest.evicted()
                self._let_go_of(oldest, stuck)

    def _let_go_of(self, entry: Entry, stuck: set[TreeId]) -> None:
        """Remove an evicted build from disk; where another process holds it, only this one's books forget it."""
        tree = entry.build.tree
        self._release(tree)
        entry.let_go()
        self._book.forget(tree)
        if not self._engine.warm.evict(tree):
            stuck.add(tree)

    def _evict_strange(self, shelf: Shelf) -> bool:
        """Remove the one that was used longest ago of those that are not this pool's; say whether there was one."""
        with self._changed:
            ours = {tree for tree, entry in self._entries.items() if entry.green or entry.making}
        return any(shelf.remove(place) for place in reversed(shelf.used()) if place.tree not in ours)
