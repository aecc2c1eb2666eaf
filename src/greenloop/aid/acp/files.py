"""The files of a session: as the client holds them where it lets us read, and written by it where it lets us write."""

import asyncio
import stat
from collections.abc import Callable, Sequence
from pathlib import Path

from acp import RequestError
from acp.interfaces import Client
from acp.schema import FileSystemCapabilities

from greenloop.aid.client.writing import AGAIN, demand_saved, text_on_disk, write_handed_over
from greenloop.aid.protocol.turns import Buffer, FileText
from greenloop.records import EditError, EnvironmentFault, GreenloopError
from greenloop.storage import named_io_errors
from greenloop.workspace.edits.line_changes import sha256_of
from greenloop.workspace.store import TreeStore


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
        return text_on_disk(self._root / path)

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
            demand_saved(self._root, file)
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
            if file.executable and file.base_sha256 is None:
                self._make_executable(file.path)
        if ours:
            try:
                await asyncio.to_thread(write_handed_over, self._root, self._store(), ours)
            except GreenloopError as error:
                if not written:
                    raise
                raise EnvironmentFault(error.message, f"written already: {', '.join(written)}") from error

    async def _demand_base(self, file: FileText) -> None:
        disk = self.on_disk(file.path)
        if file.base_sha256 is None:
            if (self._root / file.path).exists():
                raise EditError(f"{file.path}: exists already", AGAIN, reason="stale")
            return
        now = await self._theirs(file.path, disk) if self._able.read_text_file else disk
        if now is None or sha256_of(now) != file.base_sha256:
            raise EditError(f"{file.path}: changed meanwhile", AGAIN, reason="stale")

    def _make_executable(self, path: str) -> None:
        """Let a file that the client made be run by whoever may read it: ACP has no word for that."""
        written = self._root / path
        with named_io_errors(written):
            # an editor that holds new files back until the person saves has made none
            if written.is_file() and not written.is_symlink():
                mode = stat.S_IMODE(written.stat().st_mode)
                written.chmod(mode | (mode & 0o444) >> 2)

    async def _theirs(self, path: str, disk: str | None) -> str:
        """Return the client's text. Raises ``EnvironmentFault`` when it does not give it."""
        try:
            answer = await self._client.read_text_file(session_id=self._session, path=str(self._root / path))
        except RequestError as error:
            raise EnvironmentFault(
                f"{path}: the editor did not give its text: {error}", "open the file in the editor, and ask again"
            ) from error
        return disk if disk is not None and _same(answer.content, disk) else answer.content


def _same(text: str, disk: str | None) -> bool:
    """Whether it is what lies on the disk. Some clients join the lines and so lose the last line's end."""
    return disk is not None and text in {disk, disk.removesuffix("\n")}
