"""Files that nobody here wrote by hand: what a tool made of a source beside it, and other people's code."""

from greenloop.builds.protect import matches
from greenloop.records import TreeId
from greenloop.workspace.store import TreeStore

_FOLDERS = (
    "vendor", "vendors", "vendored", "third_party", "third-party", "thirdparty", "3rdparty", "external", "node_modules",
    "bower_components", "duniverse", "opam-overlays", "esy.lock", "Godeps", "Pods",
)  # fmt: skip
_VENDORED: tuple[str, ...] = tuple(f"**/{folder}/**" for folder in _FOLDERS)
_SOURCES = {".ml": (".mly", ".mll", ".cppo.ml", ".atd"), ".mli": (".mly", ".cppo.mli"), ".c": (".y", ".l", ".re")}
"""What menhir, ocamlyacc, ocamllex, cppo, atdgen, bison, flex and re2c read, by the suffix of what they write."""


def is_vendored(path: str) -> bool:
    """Whether a folder of ``path`` is one in which other people's code is kept."""
    return matches(path, _VENDORED)


def has_source(store: TreeStore, tree: TreeId, path: str) -> bool:
    """Whether ``tree`` has, beside ``path``, the source from which a generator writes such a file."""
    for suffix, sources in _SOURCES.items():
        if path.endswith(suffix):
            stem = path.removesuffix(suffix)
            return any(store.entry(tree, stem + source) is not None for source in sources)
    return False
