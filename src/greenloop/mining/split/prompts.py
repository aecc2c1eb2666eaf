"""What a person would have typed for a piece of a feature, by rules: from the old code and the title.

A wording may name what the base holds: its files, its definitions, a title all of whose words the base's files spell
or the new code does not. So ``mining.prompt_rules``' rule holds here too: no name that only the new code has.
"""

from collections.abc import Iterable, Iterator, Sequence

from greenloop.mining.changed import ChangedFile
from greenloop.mining.prompt_rules import Style, drawn, filled, hindsight, leaks
from greenloop.workspace.edits.differ import hunks
from greenloop.workspace.edits.text import split_lines

_TITLED = (Style(30, "{title}"), Style(10, "{title}, in {file}"), Style(6, "{title}: {name}"))
_CHANGING = (
    Style(12, "change {name}"), Style(8, "update {name} in {file}"), Style(6, "adapt {name}"),
    Style(6, "change {name} and {other}"), Style(4, "update {file}"), Style(2, "rework {name}"),
)  # fmt: skip
_ADDING = (Style(12, "add to {file}"), Style(8, "extend {file}"), Style(6, "add what is missing to {file}"))
_COMING = (Style(12, "add a file to {folder}"), Style(8, "add a new file"), Style(4, "start a new file in {folder}"))
_REMOVING = (
    Style(12, "remove {gone}"), Style(8, "drop {gone} from {file}"), Style(6, "delete {gone}"),
    Style(4, "clean up {file}"),
)  # fmt: skip
_DELETING = (Style(12, "delete {file}"), Style(8, "remove {file}"))


def prompt_for_piece(id_: str, title: str, files: Sequence[ChangedFile]) -> str | None:
    """Return the prompt of a green → green piece, or ``None`` when every wording names what only the new code has."""
    hidden = hindsight((), files)
    names = {key: value for key, value in _names(title, files).items() if value and not leaks(value, hidden)}
    usable = [(style.weight, prompt) for style in _styles(files) if (prompt := filled(style.wording, names))]
    while usable:
        chosen = drawn(id_, usable)
        if not leaks(chosen[1], hidden):
            return chosen[1]
        usable.remove(chosen)
    return None


def _styles(files: Sequence[ChangedFile]) -> Iterator[Style]:
    yield from _TITLED
    if all(file.new is None for file in files):
        yield from _DELETING
    elif all(file.old is None for file in files):
        yield from _COMING
    elif all(_added_only(file) for file in files):
        yield from _ADDING
    else:
        yield from _CHANGING
        yield from _REMOVING


def _names(title: str, files: Sequence[ChangedFile]) -> dict[str, str]:
    first = next((file for file in files if file.old is not None), files[0])
    touched = list(dict.fromkeys(name for file in files for name in _touched(file)))
    kept = {name for file in files for item in file.new_items for name in item.names}
    gone = [name for file in files for item in file.old_items for name in item.names if name not in kept]
    folder, _, name = files[0].path.rpartition("/")
    return {
        "title": title.strip().rstrip("."),
        "file": first.path.rpartition("/")[2] if first.old is not None else "",
        "folder": folder.rpartition("/")[2] if name else "",
        "name": touched[0] if touched else "",
        "other": touched[1] if len(touched) > 1 else "",
        "gone": gone[0] if gone else "",
    }


def _touched(file: ChangedFile) -> Iterable[str]:
    """Yield the old definitions that change and stay."""
    if file.old is None or file.new is None:
        return
    kept = {name for item in file.new_items for name in item.names}
    found = hunks(*(split_lines(side.decode("utf-8", "replace")) for side in (file.old, file.new)))
    for item in file.old_items:
        if item.name in kept and any(h.start < item.last_line and item.first_line <= h.end for h in found):
            yield item.name


def _added_only(file: ChangedFile) -> bool:
    if file.old is None or file.new is None:
        return file.old is None
    found = hunks(*(split_lines(side.decode("utf-8", "replace")) for side in (file.old, file.new)))
    return all(hunk.start == hunk.end for hunk in found)
