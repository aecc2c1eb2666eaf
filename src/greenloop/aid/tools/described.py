"""What a server says of one of its tools, and how it is known again."""

import hashlib
import json
from typing import Any

from pydantic import Field

from greenloop.records import Part

MAX_HELP = 8192
"""Characters of a description that are kept: models are shown every one of them."""


class Described(Part):
    """A tool in its server's own words. ``arguments`` is a JSON schema of an object."""

    name: str
    title: str = ""
    help: str = ""
    arguments: dict[str, Any] = Field(default_factory=dict)

    @property
    def sha256(self) -> str:
        """A hash of all of it: of every word that a model would be shown."""
        text = json.dumps(self.model_dump(), sort_keys=True, ensure_ascii=True)
        return hashlib.sha256(text.encode()).hexdigest()
