"""A feature from a file, by what the file holds: GitHub's, GitLab's, or our own record."""

import json
from pathlib import Path

from greenloop.mining.features.github import from_github
from greenloop.mining.features.gitlab import from_gitlab
from greenloop.records import Feature, InputError
from greenloop.workspace.store import TreeStore


def read_feature(store: TreeStore, root: Path, file: Path) -> Feature:
    """Return the feature that ``file`` holds; the commits that it names are in the repository at ``root``.

    Raises ``InputError`` when the file is missing, holds something else, or names what is not there.
    """
    try:
        content = file.read_text("utf-8")
        held = json.loads(content)
    except OSError as error:
        raise InputError(f"{file}: {error.strerror}", "name a file with an exported pull or merge request") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{file}: not JSON: {error}", "was the file cut short?") from error
    if isinstance(held, dict):
        if held.get("record") == "Feature":
            return Feature.from_json(content)
        if "merge_request" in held or "diff_refs" in held:
            return from_gitlab(store, root, held, str(file))
        if "pull_request" in held or "head" in held:
            return from_github(store, root, held, str(file))
    raise InputError(
        f"{file}: neither a pull request of GitHub nor a merge request of GitLab",
        "`greenloop split --help` says what is read",
    )
