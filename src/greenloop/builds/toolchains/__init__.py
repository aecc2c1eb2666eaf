"""The toolchains: one file a toolchain, and a guess at which one a tree wants.

Invariants: a toolchain keeps no state between calls; it runs nothing but through the sandbox that it is given.
Absent here: storing verdicts, retries, threads.
"""

from pathlib import PurePosixPath
from typing import Literal

from greenloop.records import InputError, TreeId
from greenloop.workspace.store import TreeStore

ToolchainName = Literal["dune", "ocaml_file", "command"]


def detect(store: TreeStore, tree: TreeId) -> ToolchainName:
    """Return the toolchain that a tree wants by its files.

    A ``dune-project`` or ``dune-workspace`` at the root, or a ``dune`` file anywhere, asks for dune; other trees
    with OCaml files have each file checked by itself. Raises ``InputError`` when there is neither.
    """
    paths = store.files(tree).keys()
    names = {PurePosixPath(path).name for path in paths}
    if "dune-project" in paths or "dune-workspace" in paths or "dune" in names:
        return "dune"
    if any(name.endswith((".ml", ".mli")) for name in names):
        return "ocaml_file"
    raise InputError(
        "no dune project and no OCaml file: Greenloop cannot tell how this project is checked",
        "choose the toolchain 'command' and say how to check, build and test in greenloop.toml",
    )
