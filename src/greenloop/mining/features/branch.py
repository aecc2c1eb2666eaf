"""A branch of a local repository, git or Mercurial, from where it left another one; its commits say what it is for."""

from pathlib import Path

from greenloop.mining.features.crs import without_reviews
from greenloop.records import Feature, InputError
from greenloop.workspace.store import TreeStore
from greenloop.workspace.vcs import common_ancestor, open_history, read_revision, resolve_revision


def from_branch(store: TreeStore, root: Path, onto: str, branch: str) -> Feature:
    """Return the feature of ``branch``: what it has since the newest commit that it shares with ``onto``.

    Its description are the messages of its commits, parents first; its title is the subject where it is one commit;
    author and time are those of the last. Raises ``InputError`` when there is no such revision, or the branch has no
    commit of its own.
    """
    tip = resolve_revision(root, branch)
    base = common_ancestor(root, onto, tip)
    commits = tuple(open_history(root, f"{base}..{tip}").commits())
    if not commits:
        raise InputError(f"{branch} has no commit that {onto} lacks", "name a branch with commits of its own")
    feature = Feature(
        base=read_revision(root, base, store).tree,
        target=read_revision(root, tip, store).tree,
        title=commits[0].subject if len(commits) == 1 else "",
        description="\n\n".join(one.message.strip() for one in commits),
        author=commits[-1].author,
        time=commits[-1].time,
        source=f"{root.resolve().name} {onto}..{branch}",
    )
    return without_reviews(store, feature)
