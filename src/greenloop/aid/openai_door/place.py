"""Where one home's endpoint says that it listens, and where its token lies.

FOLDER/openai.json   the address, and the sidecar's process; of use only while that process is the home's sidecar
FOLDER/openai.token  the token, mode 0600; another one at each start, so that what a stranger at an old port heard is worth nothing
"""  # noqa: E501 - a table

import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from greenloop.records import Part
from greenloop.storage import named_io_errors, write_atomically

_TOKEN_BYTES = 32


class EndpointCard(Part):
    """What a running endpoint wrote down."""

    base_url: str
    """`http://127.0.0.1:PORT/v1`, as clients of OpenAI's want it."""
    pid: int


@dataclass(frozen=True)
class EndpointPlace:
    """The files of one home's endpoint. ``folder`` is the sidecar's own, mode 0700."""

    folder: Path

    @property
    def token(self) -> Path:
        """The file with the token."""
        return self.folder / "openai.token"

    def card(self) -> EndpointCard | None:
        """Return what was written down last, if anything; a killed sidecar's card may be left."""
        try:
            return EndpointCard.model_validate_json((self.folder / "openai.json").read_bytes())
        except (OSError, ValidationError):
            return None

    def make_token(self) -> str:
        """Make a token, keep it, and return it. Raises ``EnvironmentFault`` when the disk refuses."""
        made = secrets.token_urlsafe(_TOKEN_BYTES)
        with named_io_errors(self.token):
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.token.unlink(missing_ok=True)
            flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC
            with os.fdopen(os.open(self.token, flags, 0o600), "w") as file:
                file.write(made + "\n")
        return made

    def announce(self, port: int) -> None:
        """Write down where it listens."""
        card = EndpointCard(base_url=f"http://127.0.0.1:{port}/v1", pid=os.getpid())
        write_atomically(self.folder / "openai.json", card.model_dump_json().encode())

    def clear(self) -> None:
        """Take both files away."""
        (self.folder / "openai.json").unlink(missing_ok=True)
        self.token.unlink(missing_ok=True)
