"""A feature as two revisions of a repository, git or Mercurial: what lies between them, whoever made it."""

from pathlib import Path

from greenloop.mining.features.crs import without_reviews
from greenloop.records import Feature
from greenloop.workspace.store import TreeStore
from greenloop.workspace.vcs import read_revision


def from_revisions(store: TreeStore, root: Path, base: str, target: str, *, title: str = "") -> Feature:
    """Return the feature from revision ``base`` to revision ``target``.

    ``title`` is what people called it, if anybody says. The two are taken as they are: for a branch, name as base the
    commit that it left from. Raises ``InputError`` when there is no such revision.
    """
    feature = Feature(
        base=read_revision(root, base, store).tree,
        target=read_revision(root, target, store).tree,
        title=title,
        source=f"{root.resolve().name} {base}..{target}",
    )
    return without_reviews(store, feature)
