"""The files of a session: as the client holds them where it lets us read, and written by it where it lets us write."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

from acp import RequestError
from acp.interfaces import Client
from acp.schema import FileSystemCapabilities

from greenloop.aid.protocol.turns import Buffer, FileText
from greenloop.records import EditError, EnvironmentFault, GreenloopError
from greenloop.workspace.edits.line_changes import sha256_of
from greenloop.workspace.store import Entry, Mode, TreeStore
from greenloop.workspace.writeback import write_back

_AGAIN = "nothing was written; ask again on the files as they are now"


class Files:
    """Reads and writes below ``root`` for one session of one client. ``store`` opens where contents are staged."""

    def __init__(
        self, client: Client, session: str, root: Path, able: FileSystemCapabilities, store: Callable[[], TreeStore]
    ) -> None:
        self._client = client
        self._session = session
        self._root = root
        self._able = able
        self._store = store

    async def buffer(self, path: str, sent: str | None = None) -> Buffer | None:
        """Return the client's text of a file, if it differs from the disk.

        ``sent`` is what came with the prompt; it counts where the client lets nobody read. Raises as ``_theirs``.
        """
        disk = self.on_disk(path)
        text = await self._theirs(path, disk) if self._able.read_text_file and disk is not None else sent
        same = text is None or _same(text, disk)
        return None if same else Buffer(path=path, text=text)

    def on_disk(self, path: str) -> str | None:
        """Return the text on the disk; ``None`` where there is no such file, or it is not UTF-8."""
        try:
            return (self._root / path).read_bytes().decode("utf-8")
        except (OSError, UnicodeDecodeError):
            return None

    async def write(self, files: Sequence[FileText]) -> None:
        """Write what was handed over: by the client where it writes, else on the disk; deletions always there.

        Raises ``EditError`` (reason ``stale``) before anything is written when a text is not the one that the
        suggestion was laid on, ``EnvironmentFault`` when the client or the disk refuses; it names what was written.
        """
        theirs = [file for file in files if self._able.write_text_file and file.text is not None]
        ours = [file for file in files if file not in theirs]
        for file in files:
            await self._demand_base(file)
        for file in ours:
            self._demand_saved(file)
        # before anything of ours: of a renamed file the old one goes only when the new one is there
        written: list[str] = []
        for file in theirs:
            try:
                await self._client.write_text_file(
                    session_id=self._session, path=str(self._root / file.path), content=file.text or ""
                )
            except RequestError as error:
                raise EnvironmentFault(
                    f"{file.path}: the editor did not write it: {error}",
                    f"written already: {', '.join(written)}" if written else "nothing was written",
                ) from error
            written.append(file.path)
        if ours:
            try:
                await asyncio.to_thread(self._write_back, ours)
            except GreenloopError as error:
                if not written:
                    raise
                raise EnvironmentFault(error.message, f"written already: {', '.join(written)}") from error

    async def _demand_base(self, file: FileText) -> None:
        disk = self.on_disk(file.path)
        if file.base_sha256 is None:
            if (self._root / file.path).exists():
                raise EditError(f"{file.path}: exists already", _AGAIN, reason="stale")
            return
        now = await self._theirs(file.path, disk) if self._able.read_text_file else disk
        if now is None or sha256_of(now) != file.base_sha256:
            raise EditError(f"{file.path}: changed meanwhile", _AGAIN, reason="stale")

    def _demand_saved(self, file: FileText) -> str | None:
        disk = self.on_disk(file.path)
        if (None if disk is None else sha256_of(disk)) != file.base_sha256:
            raise EditError(f"{file.path}: changed on the disk, or is not saved in the editor", _AGAIN, reason="stale")
        return disk

    async def _theirs(self, path: str, disk: str | None) -> str:
        """Return the client's text. Raises ``EnvironmentFault`` when it does not give it."""
        try:
            answer = await self._client.read_text_file(session_id=self._session, path=str(self._root / path))
        except RequestError as error:
            raise EnvironmentFault(
                f"{path}: the editor did not give its text: {error}", "open the file in the editor, and ask again"
            ) from error
        return disk if disk is not None and _same(answer.content, disk) else answer.content

    def _write_back(self, files: Sequence[FileText]) -> None:
        store = self._store()
        before: dict[str, Entry] = {}
        after: dict[str, Entry] = {}
        for file in files:
            path = self._root / file.path
            mode = Mode.FILE
            disk = self._demand_saved(file)
            if disk is not None:
                mode = Mode.EXECUTABLE if path.stat().st_mode & 0o100 else Mode.FILE
                before[file.path] = Entry(mode, store.write_blob(disk.encode()))
            if file.text is not None:
                after[file.path] = Entry(mode, store.write_blob(file.text.encode()))
        write_back(self._root, store, store.write_tree(before), store.write_tree(after))


def _same(text: str, disk: str | None) -> bool:
    """Whether it is what lies on the disk. Some clients join the lines and so lose the last line's end."""
    return disk is not None and text in {disk, disk.removesuffix("\n")}
