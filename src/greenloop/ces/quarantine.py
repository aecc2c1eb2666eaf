"""Tests that do not always agree with themselves: known by name, and not counted.

Absent here: any judgement. Who puts a test into quarantine has seen it pass and fail on one and the same tree that
was there before the edit; what disagrees only after an edit was made so by the edit, and is its fault.
"""

import threading
from collections.abc import Iterable
from typing import Protocol


class Quarantine(Protocol):
    """Where they are kept: ``ces.ledger.Ledger``, or ``MemoryQuarantine`` for tests and for a service without books."""

    def quarantine(self, toolchain: str, project: str) -> frozenset[str]:
        """Return the tests of a project that are not counted under a toolchain."""
        ...

    def add_quarantine(self, toolchain: str, project: str, tests: Iterable[str], note: str = "") -> None:
        """Put tests in; those that are in already stay as they are."""
        ...


class MemoryQuarantine:
    """Keeps them for as long as it lives."""

    def __init__(self) -> None:
        self._tests: dict[tuple[str, str], frozenset[str]] = {}
        self._lock = threading.Lock()

    def quarantine(self, toolchain: str, project: str) -> frozenset[str]:
        """See ``Quarantine.quarantine``."""
        return self._tests.get((toolchain, project), frozenset())

    def add_quarantine(self, toolchain: str, project: str, tests: Iterable[str], note: str = "") -> None:  # noqa: ARG002
        """See ``Quarantine.add_quarantine``; the note is not kept."""
        with self._lock:
            self._tests[toolchain, project] = self.quarantine(toolchain, project) | frozenset(tests)
