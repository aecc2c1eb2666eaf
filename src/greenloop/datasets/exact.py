"""The first rule: the same edit of files with the same bytes counts once, whatever else the tree holds."""

import hashlib
import json
from collections.abc import Mapping, Sequence

from greenloop.datasets.rule import Rendered
from greenloop.records import Example
from greenloop.workspace.store import TreeStore


class SameEdit:
    """Drops what repeats an earlier example."""

    name = "same edit of the same files"

    def __init__(self, store: TreeStore) -> None:
        self._store = store

    def drops(self, examples: Sequence[Rendered]) -> Mapping[str, str]:
        """Keep the first in time of those with the same key."""
        first: dict[str, str] = {}
        found = {}
        for one in examples:
            kept = first.setdefault(self._key(one.example), one.example.id)
            if kept != one.example.id:
                found[one.example.id] = f"repeats {kept}"
        return found

    def _key(self, example: Example) -> str:
        files = [(path, self._store.entry(example.base, path)) for path in example.edit.paths]
        blobs = [(path, entry and (int(entry.mode), entry.blob)) for path, entry in files]
        return hashlib.sha256(json.dumps([blobs, example.edit.to_json()]).encode()).hexdigest()
