"""A pull request as GitHub's REST API gives it.

The file holds the object of ``GET /repos/{owner}/{repo}/pulls/{number}``, or one object with that at ``pull_request``
and, where there are any, at ``review_comments`` the list of ``…/pulls/{number}/comments`` and at ``issue_comments``
that of ``…/issues/{number}/comments``. Source: GitHub's REST API reference, version 2022-11-28.

``base.sha`` is where the base branch stood, not where the branch left it: their common ancestor is the base.
"""

from pathlib import Path

from greenloop.mining.features.crs import without_reviews
from greenloop.mining.features.fields import Object, moment, number, objects, text
from greenloop.records import Comment, Feature
from greenloop.workspace.store import TreeStore
from greenloop.workspace.vcs import common_ancestor, read_revision


def from_github(store: TreeStore, root: Path, held: Object, where: str) -> Feature:
    """Return the feature of a pull request whose commits are in the repository at ``root``.

    Raises ``InputError`` when a field or a commit is missing.
    """
    pull = held.get("pull_request", held)
    head = text(where, pull, "head", "sha")
    base = common_ancestor(root, text(where, pull, "base", "sha"), head)
    comments = [*objects(where, held.get("review_comments") if pull is not held else None),
                *objects(where, held.get("issue_comments") if pull is not held else None)]  # fmt: skip
    feature = Feature(
        base=read_revision(root, base, store).tree,
        target=read_revision(root, head, store).tree,
        title=text(where, pull, "title"),
        description=text(where, pull, "body", needed=False),
        author=text(where, pull, "user", "login", needed=False),
        time=moment(where, text(where, pull, "created_at", needed=False)),
        comments=tuple(_comment(where, one) for one in comments),
        source=f"github {text(where, pull, 'html_url', needed=False)}".strip(),
    )
    return without_reviews(store, feature)


def _comment(where: str, one: Object) -> Comment:
    return Comment(
        text=text(where, one, "body"),
        author=text(where, one, "user", "login", needed=False),
        path=text(where, one, "path", needed=False) or None,
        # of the old side, or where the line is gone, there is no line in the target
        line=number(one, "line") if one.get("side", "RIGHT") == "RIGHT" else None,
    )
