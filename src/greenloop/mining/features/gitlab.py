"""A merge request as GitLab's REST API gives it.

The file holds the object of ``GET /projects/{id}/merge_requests/{iid}``, or one object with that at ``merge_request``
and, where there are any, at ``discussions`` the list of ``…/merge_requests/{iid}/discussions`` or at ``notes`` that of
``…/notes``. Source: GitLab's REST API documentation, v4. ``diff_refs.base_sha`` is where the branch left its target.
"""

from pathlib import Path

from greenloop.mining.features.crs import without_reviews
from greenloop.mining.features.fields import Object, moment, number, objects, text
from greenloop.records import Comment, Feature
from greenloop.workspace.store import TreeStore
from greenloop.workspace.vcs import read_revision


def from_gitlab(store: TreeStore, root: Path, held: Object, where: str) -> Feature:
    """Return the feature of a merge request whose commits are in the repository at ``root``.

    Raises ``InputError`` when a field or a commit is missing.
    """
    request = held.get("merge_request", held)
    notes = objects(where, held.get("notes"))
    for discussion in objects(where, held.get("discussions")):
        notes += objects(where, discussion.get("notes"))
    feature = Feature(
        base=read_revision(root, text(where, request, "diff_refs", "base_sha"), store).tree,
        target=read_revision(root, text(where, request, "diff_refs", "head_sha"), store).tree,
        title=text(where, request, "title"),
        description=text(where, request, "description", needed=False),
        author=text(where, request, "author", "username", needed=False),
        time=moment(where, text(where, request, "created_at", needed=False)),
        # what GitLab itself notes ("added 1 commit") nobody said
        comments=tuple(_comment(where, note) for note in notes if not note.get("system")),
        source=f"gitlab {text(where, request, 'web_url', needed=False)}".strip(),
    )
    return without_reviews(store, feature)


def _comment(where: str, note: Object) -> Comment:
    place = note.get("position") or {}
    return Comment(
        text=text(where, note, "body"),
        author=text(where, note, "author", "username", needed=False),
        path=text(where, place, "new_path", needed=False) or None,
        line=number(place, "new_line"),
    )
