"""The seam between judging an edit and the green builds above which edits are judged."""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from greenloop.builds.stop import Stop
from greenloop.ces.revisions import Found
from greenloop.records import EvaluationRequest, InputError, TreeId, WarmBuild


class Bases(Protocol):
    """Finds revisions and holds their warm builds: ``ces.pool.Pool``, and ``ScriptedBases`` for tests."""

    def find(self, revision: str) -> Found:
        """Return what ``NAME@REV`` or ``REV`` is. Raises ``InputError`` when there is none; runs no tool."""
        ...

    def base_for(self, request: EvaluationRequest, stop: Stop | None = None) -> AbstractContextManager[WarmBuild]:
        """Hold the green build above which this request is judged, made when it is not there.

        That of ``revision`` where the request names one, else that of ``base_tree``; it is not evicted meanwhile.
        Raises ``InputError`` when there is no such tree or it is not green, ``InfrastructureError``, ``Cancelled``.
        """
        ...


class ScriptedBases:
    """The fake: builds by revision or by tree. ``held`` names the trees held now, ``asked`` all that were."""

    def __init__(self, builds: Mapping[str, WarmBuild]) -> None:
        self._builds = builds
        self.held: list[TreeId] = []
        self.asked: list[TreeId] = []

    def find(self, revision: str) -> Found:
        """Return the tree of a scripted build; the project is the revision's name but for what follows an ``@``."""
        tree = self._find(revision).tree
        return Found(revision, tree, tree, revision.partition("@")[0])

    @contextmanager
    def base_for(self, request: EvaluationRequest, stop: Stop | None = None) -> Iterator[WarmBuild]:
        """Hold a scripted build."""
        if stop is not None:
            stop.check()
        build = self._find(request.revision or request.base_tree or "")
        if build.state != "green":
            raise InputError(f"{build.revision} is {build.state}: nothing is judged above it", "name a green revision")
        self.asked.append(build.tree)
        self.held.append(build.tree)
        try:
            yield build
        finally:
            self.held.remove(build.tree)

    def _find(self, name: str) -> WarmBuild:
        if name not in self._builds:
            raise InputError(f"{name}: no such revision", "name one that the script knows")
        return self._builds[name]
