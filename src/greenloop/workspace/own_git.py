"""Running git on a repository of our own, with nothing of the user's around it."""

import os
from pathlib import Path


def environment(git_dir: Path) -> dict[str, str]:
    """Return the variables with which git sees the repository at ``git_dir``, and none of this process's others.

    Started from a hook, Greenloop would else hand on a ``GIT_DIR`` of somebody else's.
    """
    return {"PATH": os.environ.get("PATH", os.defpath), "GIT_DIR": str(git_dir), "LC_ALL": "C"}
