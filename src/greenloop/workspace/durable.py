"""Blocks of writes that are durable together: gathered in memory, staged at the block's end, flushed into packs later.

Invariants: what a block wrote is there as a whole once the block ended, and not at all when it raised; a kill at any
point of a flush loses nothing, since the pack comes first, then the refs, and only then the staged copy goes.
"""

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from greenloop.records import Conflict, EnvironmentFault
from greenloop.storage import named_io_errors
from greenloop.workspace.guard import Guard
from greenloop.workspace.packing import write_pack
from greenloop.workspace.refs import PackedRefs
from greenloop.workspace.staging import Objects, StagingFile, object_id

SPILL_BYTES = 8 << 20
"""A block that holds more goes to a pack at once: the first reading of a large folder must not fill the memory."""


class Durable:
    """The blocks, refs and staging of the store at ``folder``. One block at a time; other threads' blocks wait."""

    def __init__(self, folder: Path, notes: Sequence[str] = ()) -> None:
        self.guard = Guard(folder)
        self.file = StagingFile(folder / "staging.db")
        self.pending: Objects = {}
        self.notes = list(notes)
        """What was found and mended at opening, each a sentence."""
        self._packs = folder / "objects" / "pack"
        self._packed = PackedRefs(folder)
        self._moves: dict[str, tuple[str | None, str | None]] = {}
        self._ends: list[Callable[[bool], None]] = []
        self._block = threading.RLock()
        self._owner: int | None = None
        self._size = 0
        self._age: int | None = None
        self._salvage()

    @property
    def active(self) -> bool:
        """Whether this thread is in a block."""
        return self._owner == threading.get_ident()

    @contextmanager
    def block(self, renew: Callable[[], None]) -> Iterator[None]:
        """Gather what this thread writes, and stage it at the end; a block within a block is a part of it.

        ``renew`` is called whenever objects that the caller may remember are there no more.
        """
        if self.active:
            yield
            return
        with self._block, self.guard.writing() as age:
            if self._age not in {None, age}:
                renew()
            self._age = age
            self._owner = threading.get_ident()
            try:
                yield
                self._stage()
            except BaseException:
                self._over()
                renew()
                self._tell(done=False)
                raise
            self._over()
            self._tell(done=True)

    def at_end(self, call: Callable[[bool], None]) -> None:
        """Let ``call`` be called once the block has ended: with ``True`` when all of it is durable, else ``False``."""
        assert self.active
        self._ends.append(call)

    def _tell(self, *, done: bool) -> None:
        ends, self._ends = self._ends, []
        for call in ends:
            call(done)

    def _over(self) -> None:
        self.pending.clear()
        self._moves.clear()
        self._size, self._owner = 0, None

    def put(self, kind: int, content: bytes, name: str | None = None) -> str:
        """Add an object to the block, and return its id, which is ``name`` where the caller knows it."""
        oid = object_id(kind, content) if name is None else bytes.fromhex(name)
        if oid not in self.pending:
            self.pending[oid] = (kind, content)
            self._size += len(content)
            if self._size > SPILL_BYTES:
                self._spill()
        return oid.hex()

    def find(self, oid: bytes) -> tuple[int, bytes] | None:
        """Return kind and content of an object of the open block, or of one that is staged."""
        return self.pending.get(oid) or self.file.find(oid)

    def _spill(self) -> None:
        # objects without a ref harm nobody, if the block is dropped or the process killed
        with named_io_errors(self._packs):
            write_pack(self._packs, ((oid, kind, content) for oid, (kind, content) in self.pending.items()))
        self.pending.clear()
        self._size = 0

    def move_ref(self, ref: str, target: str | None, was: str | None) -> None:
        """Move a ref at the block's end, if it is where it ``was`` then."""
        before = self._moves.get(ref)
        if before is not None and before[0] != was:
            raise Conflict(f"{ref} was moved in this block already")
        self._moves[ref] = (target, was if before is None else before[1])

    def refs(self, prefix: str) -> dict[str, str]:
        """Return the refs whose names begin with ``prefix``, sorted, as this thread sees them."""
        # staged first: what is flushed between the two readings is then seen twice, never missed
        moved = self.file.refs()
        found: dict[str, str | None] = {**self.packed(), **moved}
        if self.active:
            found |= {ref: target for ref, (target, _) in self._moves.items()}
        return {ref: at for ref, at in sorted(found.items()) if at is not None and ref.startswith(prefix)}

    def missing(self, known: Mapping[str, str]) -> dict[str, str]:
        """Return those of the ``known`` refs that are gone with the file of refs, removed by nobody.

        A ref whose removal is staged is not among them: it was taken away on purpose.
        """
        if self._packed.path.exists():
            return {}
        staged = self.file.refs()
        return {ref: target for ref, target in known.items() if ref not in staged}

    def packed(self) -> Mapping[str, str]:
        """Return the refs that git sees: those that are flushed."""
        with named_io_errors(self._packed.path):
            return self._packed.read()

    def _stage(self) -> None:
        if not self.pending and not self._moves:
            return
        packed = self.packed()

        def unmoved(staged: Mapping[str, str | None]) -> None:
            for ref, (_, was) in self._moves.items():
                if staged.get(ref, packed.get(ref)) != was:
                    raise Conflict(f"{ref}: somebody else wrote this history meanwhile", "only one may record it")

        targets = {ref: target for ref, (target, _) in self._moves.items()}
        self.file.append(self.pending, targets, time.time(), unmoved)

    def flush(self) -> bool:
        """Move what is staged into a pack and its refs to where git reads them; return whether there was anything.

        Raises ``EnvironmentFault``; then all is still staged.
        """
        assert not self.active, "a block that is open cannot be flushed"
        with self._block, self.guard.moving():
            return self.flush_alone()

    def flush_alone(self) -> bool:
        """The same for who holds ``guard.moving()`` already."""
        refs: dict[str, str | None] = {}
        objects: Objects = {}
        last = None
        for batch in self.file.batches():
            refs |= batch.refs
            objects |= batch.objects
            last = batch.id
        if last is None:
            return False
        for oid, (kind, content) in objects.items():
            if object_id(kind, content) != oid:
                raise EnvironmentFault(
                    f"{self.file.path}: {oid.hex()} is damaged", "`greenloop record check` tells what else is"
                )
        with named_io_errors(self._packs):
            write_pack(self._packs, ((oid, kind, content) for oid, (kind, content) in sorted(objects.items())))
            packed = {**self._packed.read(), **refs}
            self._packed.write({ref: target for ref, target in packed.items() if target is not None})
        self.file.drop(last)
        return True

    def _salvage(self) -> None:
        """Put a staging file that cannot be read aside, and take over the rows before the damage."""
        if not self.file.path.exists():
            return
        try:
            self.file.sound()
        except EnvironmentFault as error:
            # a full or failing disk, and a lock, are operational: what lies in the file is not known to be wrong
            if isinstance(error.__cause__, sqlite3.OperationalError | OSError):
                raise
            with self.guard.moving():
                self._put_aside(error)

    def _put_aside(self, error: EnvironmentFault) -> None:
        whole: list[tuple[Objects, Mapping[str, str | None], float]] = []
        with suppress(EnvironmentFault):
            for batch in self.file.batches():
                if any(object_id(kind, content) != oid for oid, (kind, content) in batch.objects.items()):
                    break
                whole.append((batch.objects, batch.refs, batch.time))
        self.file.close()
        number = 1
        while (aside := self.file.path.with_name(f"staging.damaged-{number}.db")).exists():
            number += 1
        with named_io_errors(aside):
            for end in ("-wal", "-shm", ""):
                with suppress(FileNotFoundError):
                    Path(f"{self.file.path}{end}").replace(f"{aside}{end}")
        for objects, refs, when in whole:
            self.file.append(objects, refs, when)
        self.notes.append(f"{error.message}; it is {aside.name} now, and {len(whole)} rows of it are saved")
