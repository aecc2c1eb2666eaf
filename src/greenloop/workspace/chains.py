"""Chains of commits in the tree store, each under a ref of its own; what their messages mean is for others to say."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from greenloop.records import EnvironmentFault, TreeId
from greenloop.workspace.store import TreeStore

_BY = "Greenloop <recorder@greenloop.invalid>"
_COMMIT = 1


@dataclass(frozen=True, slots=True)
class Link:
    """One commit of a chain."""

    oid: str
    tree: TreeId
    parent: str | None
    message: str


class Chains:
    """The chains of ``trees``. What is written goes into the block of ``trees.staged()`` that is open."""

    def __init__(self, trees: TreeStore) -> None:
        self._trees = trees

    def tips(self, prefix: str = "refs/") -> Mapping[str, str]:
        """Return ref → newest commit of each chain whose ref begins with ``prefix``, sorted by ref."""
        return self._trees.refs(prefix)

    def commit(self, tree: TreeId, message: str, time: float, parent: str | None) -> str:
        """Write a commit and return its id; ``move`` makes it the newest of a chain.

        ``message`` holds one line; git shows ``time`` in whole seconds, none before 1970.
        """
        when = f"{_BY} {max(0, int(time))} +0000"
        above = f"parent {parent}\n" if parent else ""
        body = f"tree {tree}\n{above}author {when}\ncommitter {when}\n\n{message}\n"
        return self._trees.put(_COMMIT, body.encode())

    def move(self, ref: str, tip: str | None, *, was: str | None) -> None:
        """Let the chain end at ``tip``; ``None`` deletes it.

        At the block's end ``Conflict`` is raised if it did not end at ``was`` any more: a history never forks.
        """
        self._trees.move_ref(ref, tip, was=was)

    def link(self, oid: str) -> Link:
        """Return one commit. Raises ``InputError`` when it is not there or damaged, as reading a tree does."""
        raw = self._trees.raw(oid, _COMMIT)
        head, _, message = raw.decode("utf-8", "surrogateescape").partition("\n\n")
        fields = [line.partition(" ") for line in head.split("\n")]
        named = {key: value for key, _, value in reversed(fields)}
        if "tree" not in named or "committer" not in named:
            raise EnvironmentFault(f"{oid}: no commit of Greenloop's", "another program wrote into the tree store")
        return Link(oid, named["tree"], named.get("parent"), message.removesuffix("\n"))

    def walk(self, tip: str, until: str | None = None) -> Iterator[Link]:
        """Yield the commits of a chain, the newest first, down to the one after ``until``, or to the first."""
        at: str | None = tip
        while at is not None and at != until:
            found = self.link(at)
            yield found
            at = found.parent
