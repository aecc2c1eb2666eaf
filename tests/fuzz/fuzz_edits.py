"""An atheris target for the readers of edits: whatever the bytes, an edit or a named refusal, and what is read holds.

    python tests/fuzz/fuzz_edits.py [-runs=N] [-max_total_time=SECONDS] CORPUS…

Checked of everything that is read: it applies to a tree or is refused by name; the tree is the same afterwards; what
it leads to holds no path outside, in version control, or through a link; and what is written as a diff or as a reply
is read back and leads to the same tree.
"""

import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["greenloop.workspace.edits"]):
    from greenloop.records import Edit, EditError, Rung, TreeId
    from greenloop.workspace.edits import (
        apply,
        check_path,
        edit_between,
        parse_reply,
        parse_unified,
        render_reply,
        render_unified,
    )
    from greenloop.workspace.store import Entry, Mode, TreeStore

_FILES = {
    "a.ml": "let x = 1\nlet y = 2\n\nlet z = 3\n",
    "lib/b.ml": "type t = A | B\n\nlet f = function\n  | A -> 1\n  | B -> 2\n",
    "crlf": "one\r\ntwo\r\n",
    "open": "no end",
    "empty": "",
}


def make_tree(store: TreeStore) -> TreeId:
    """Store the tree that is edited."""
    entries = {path: Entry(Mode.FILE, store.write_blob(text.encode())) for path, text in _FILES.items()}
    entries["link"] = Entry(Mode.LINK, store.write_blob(b"../.."))
    return store.write_tree(entries)


def one_input(store: TreeStore, tree: TreeId, data: bytes) -> None:
    """Read ``data`` as a diff and as a reply. Raises ``AssertionError`` when an invariant breaks."""
    text = data.decode("utf-8", "surrogateescape")
    for read in (parse_unified, parse_reply):
        try:
            edit = read(text)
        except EditError as error:
            assert error.reason, error
            continue
        assert edit.files
        _check(store, tree, edit)


def _check(store: TreeStore, tree: TreeId, edit: Edit) -> None:
    assert Edit.from_json(edit.to_json()) == edit
    before = dict(store.files(tree))
    try:
        applied = apply(store, tree, edit)
    except EditError as error:
        assert error.reason, error
        return
    finally:
        assert dict(store.files(tree)) == before
    after = store.files(applied.tree)
    for path in after.keys() - before.keys():
        assert check_path(path) == path
        assert not path.startswith("link/")
    assert after["link"] == before["link"]
    if applied.tree == tree:
        return
    again = edit_between(store, tree, applied.tree)
    landed = apply(store, tree, again)
    assert (landed.tree, landed.rung) == (applied.tree, Rung.EXACT)
    for rendered in (parse_unified(render_unified(store, tree, applied.tree)), parse_reply(render_reply(again))):
        assert apply(store, tree, rendered).tree == applied.tree


def main() -> None:
    """Hand the target to libFuzzer, which takes the command line."""
    with tempfile.TemporaryDirectory(prefix="greenloop-fuzz-") as folder:
        store = TreeStore(Path(folder, "objects.git"))
        tree = make_tree(store)
        atheris.Setup(sys.argv, lambda data: one_input(store, tree, data))
        atheris.Fuzz()


if __name__ == "__main__":
    main()
