"""Finding the files of an OCaml module that code names."""

import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from greenloop.prompts.draft import SourceFile
from greenloop.prompts.plugins.seam import Anchor, Desk

MAX_NAMED = 24
"""So many names of one text are looked up, the first ones."""
WORD = re.compile(r"(?:([A-Z][\w']*)\.)?([A-Za-z_][\w']*)")
"""``M.x`` as (M, x), and ``x`` as (empty, x)."""


def module_files(desk: Desk, anchor: Anchor, module: str) -> Iterator[SourceFile]:
    """Yield the interface, then the implementation of ``module``, as near to the anchor's file as they get."""
    stem = module[:1].lower() + module[1:]
    here = PurePosixPath(anchor.file.path).parent
    for suffix in (".mli", ".ml"):
        names = dict.fromkeys((f"{stem}{suffix}", f"{module}{suffix}"))
        paths = [path for name in names for path in desk.draft.listing.by_name.get(name, ())]
        paths.sort(key=lambda path: (PurePosixPath(path).parent != here, len(PurePosixPath(path).parts), path))
        file = desk.draft.file(paths[0]) if paths else None
        if file is not None and file.path != anchor.file.path:
            yield file
