"""The book of models: which models a team has made, what each is worth, and which one is the default.

    FOLDER/book.json        ``versions.Page``, replaced whole by one rename
    FOLDER/files/SHA.gguf   adapters, models and bases, by what they hold; a file never changes
    FOLDER/book.lock        held by whoever changes the book, for as long as that takes

Invariants: a reader takes no lock and sees the book before a change or after it; a file is there before the book
names it; a kill leaves the old book, and at most a file that nobody names, which the next change removes; the default
never points to what is not there. Absent here: clocks, conversion, what a score means.
"""

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from greenloop.models.versions import Change, Lineage, Page, Scored, Version, check_name, parse, reference
from greenloop.records import InputError, ModelError
from greenloop.storage import named_io_errors, replacing, sha256_of, write_atomically

FALLBACK = "local"
"""The default where none was chosen: the embedded SmolLM2."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A version under its name."""

    name: str
    version: Version

    @property
    def reference(self) -> str:
        """Its full name, ``own:NAME@VERSION``."""
        return reference(self.name, self.version.number)


@dataclass(frozen=True, slots=True)
class Made:
    """GGUF files that shall become a version; ``model`` is ``None`` for the embedded SmolLM2."""

    model: Path | None = None
    adapter: Path | None = None


class Book:
    """The book in ``folder``, which need not exist yet. Safe to use from several processes and threads at a time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file = folder / "book.json"
        self._seen: tuple[bytes, Page] = (b"", Page())

    def page(self) -> Page:
        """Return all of the book as it is now. Raises ``RecordError`` when it cannot be read."""
        with named_io_errors(self._file):
            content = self._file.read_bytes() if self._file.exists() else b""
        seen, page = self._seen
        if content != seen:
            page = Page.from_json(content.decode("utf-8", "replace"))
            self._seen = content, page
        return page

    def current(self) -> str:
        """Return the default's name for ``open_model``: ``own:NAME@VERSION``, or ``local`` where none was chosen.

        Costs the reading of one small file; a process that runs for long opens a model anew when this has changed.
        """
        chosen = self.page().chosen
        return chosen[-1] if chosen else FALLBACK

    def find(self, text: str) -> Entry:
        """Return the version called ``NAME@VERSION``, or the newest of ``NAME``; ``own:`` may stand before either.

        Raises ``InputError`` that lists what there is.
        """
        return _find(self.page(), text)

    def paths(self, version: Version) -> Made:
        """Return where its files are. Raises ``ModelError`` when one is gone."""
        found = [self._path(digest) if digest else None for digest in (version.model, version.adapter)]
        for path in found:
            if path is not None and not path.is_file():
                raise ModelError(f"{path}: a file of the book of models is gone", "add the model again")
        return Made(*found)

    def add(self, name: str, made: Made, lineage: Lineage, *, now: float) -> Entry:
        """Copy the files into the book and add them as the newest version of ``name``; the default stays.

        ``now`` is in seconds since 1970. Raises ``InputError`` when the name cannot be used, ``EnvironmentFault`` when
        the disk refuses; then the book is as before.
        """
        check_name(name)
        with self._changing() as page:
            model, adapter = (self._take(path) if path is not None else "" for path in (made.model, made.adapter))
            trained = made.adapter or made.model
            if trained is None:
                raise InputError(f"{name}: neither a model nor an adapter was given", "give one of them")
            version = Version(
                number=page.numbered.get(name, 0) + 1,
                added=now,
                model=model,
                adapter=adapter,
                bytes=trained.stat().st_size,
                lineage=lineage,
            )
            changed = page.model_copy(
                update={
                    "models": {**page.models, name: (*page.models.get(name, ()), version)},
                    "numbered": {**page.numbered, name: version.number},
                }
            )
            entry = Entry(name, version)
            self._write(_noted(changed, Change(time=now, what="add", model=entry.reference)))
        return entry

    def score(self, text: str, scored: Scored) -> Entry:
        """Keep an evaluation of a version, in the place of an earlier one on the same occasion."""

        def with_score(version: Version) -> Version:
            kept = tuple(one for one in version.scores if one.occasion != scored.occasion)
            return version.model_copy(update={"scores": (*kept, scored)})

        with self._changing() as page:
            entry = _find(page, text)
            self._write(_replaced(page, entry, with_score))
            return Entry(entry.name, with_score(entry.version))

    def use(self, text: str, *, now: float) -> Entry:
        """Make a version the default. Raises ``InputError`` when its check for degenerate output failed."""
        with self._changing() as page:
            entry = _find(page, text)
            if entry.version.blocked:
                raise InputError(
                    f"{entry.reference} may not become the default: {entry.version.blocked}",
                    "train it further, and evaluate it again",
                )
            if page.chosen[-1:] != (entry.reference,):
                changed = page.model_copy(update={"chosen": (*page.chosen, entry.reference)})
                self._write(_noted(changed, Change(time=now, what="use", model=entry.reference)))
        return entry

    def rollback(self, *, now: float) -> str:
        """Go back to the default before the present one, and return its name: ``own:NAME@VERSION`` or ``local``.

        One that was blocked since is passed over. Raises ``InputError`` when nothing was ever chosen.
        """
        with self._changing() as page:
            if not page.chosen:
                raise InputError("there is nothing to go back from: no model was made the default", "")
            left = page.chosen[:-1]
            while left and _find(page, left[-1]).version.blocked:
                left = left[:-1]
            found = left[-1] if left else FALLBACK
            changed = page.model_copy(update={"chosen": left})
            self._write(_noted(changed, Change(time=now, what="rollback", model=found)))
        return found

    def remove(self, text: str, *, now: float) -> tuple[Entry, ...]:
        """Remove a version, or all versions where ``text`` is a name alone; return what was removed.

        Raises ``InputError`` when the default is among them.
        """
        with self._changing() as page:
            entry = _find(page, text)
            parsed = parse(text)
            alone = parsed is not None and parsed[1] is not None
            gone = [entry.version] if alone else list(page.models[entry.name])
            names = [reference(entry.name, version.number) for version in gone]
            if page.chosen and page.chosen[-1] in names:
                raise InputError(
                    f"{page.chosen[-1]} is the default", "`greenloop models rollback`, or choose another one, first"
                )
            kept = tuple(version for version in page.models[entry.name] if version not in gone)
            models = {name: versions for name, versions in page.models.items() if name != entry.name}
            changed = page.model_copy(
                update={
                    "models": {**models, entry.name: kept} if kept else models,
                    "chosen": tuple(name for name in page.chosen if name not in names),
                }
            )
            for name in names:
                changed = _noted(changed, Change(time=now, what="remove", model=name))
            self._write(changed)
        return tuple(Entry(entry.name, version) for version in gone)

    def _path(self, digest: str) -> Path:
        return self._folder / "files" / f"{digest}.gguf"

    @contextmanager
    def _changing(self) -> Iterator[Page]:
        """Give the page as it is, and let nobody else change it until the block ends."""
        lock = self._folder / "book.lock"
        with named_io_errors(lock):
            self._folder.mkdir(parents=True, exist_ok=True)
            handle = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield self.page()
            self._sweep()
        finally:
            os.close(handle)

    def _take(self, path: Path) -> str:
        digest = sha256_of(path)
        target = self._path(digest)
        if not target.exists():
            with replacing(target) as copy, path.open("rb") as file:
                shutil.copyfileobj(file, copy, 1 << 20)
        return digest

    def _write(self, page: Page) -> None:
        write_atomically(self._file, page.to_json().encode() + b"\n")

    def _sweep(self) -> None:
        """Remove files that no version names: those of removed versions, and what a kill left."""
        wanted = {digest for versions in self.page().models.values() for one in versions for digest in one.files}
        folder = self._folder / "files"
        with named_io_errors(folder):
            left = [path for path in folder.iterdir() if path.stem not in wanted] if folder.is_dir() else []
            for path in (*left, *self._folder.glob(".book.json.*")):
                path.unlink()


def _find(page: Page, text: str) -> Entry:
    parsed = parse(text)
    name, number = parsed if parsed is not None else (text, None)
    versions = page.models.get(name, ())
    found = [one for one in versions if number is None or one.number == number]
    if not found:
        there = ", ".join(f"{known}@{one.number}" for known, all_ in sorted(page.models.items()) for one in all_)
        raise InputError(
            f"no model of yours is called {text!r}",
            f"there are: {there}" if there else "`greenloop models add` registers one",
        )
    return Entry(name, found[-1])


def _replaced(page: Page, entry: Entry, change: Callable[[Version], Version]) -> Page:
    versions = tuple(change(one) if one == entry.version else one for one in page.models[entry.name])
    return page.model_copy(update={"models": {**page.models, entry.name: versions}})


def _noted(page: Page, change: Change) -> Page:
    return page.model_copy(update={"history": (*page.history, change)})
