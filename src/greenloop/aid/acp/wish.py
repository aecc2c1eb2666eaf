"""What an ACP prompt asks for: its kind, the person's words, and the files that it names or brings along."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlsplit

from acp.helpers import ContentBlock
from acp.schema import EmbeddedResourceContentBlock, ResourceContentBlock, TextContentBlock, TextResourceContents

_FIX = re.compile(
    r"(please\s+)?/?(fix|repair)(\s+(it|this|that|these|those|the|my|all|any|what|is|are|red|broken|failing|build|"
    r"compiler?|type|errors?|warnings?|for|me|please))*[\s.!]*",
    re.IGNORECASE,
)
"""A prompt of such words alone says nothing but that what is red has to be fixed."""
_SHARED = re.compile(r"Sharing the following file as context: (?P<path>.+)")
_BUFFER = re.compile(r"file `(?P<path>[^`\n]+)` \(with buffer number: \d+\)")
"""How CodeCompanion.nvim names a file: in a block of its own, and in the place of ``#{buffer}``."""


@dataclass(frozen=True)
class Wish:
    """A prompt as a turn needs it. Paths are relative to the workspace, with forward slashes."""

    kind: Literal["ask", "fix"]
    text: str
    files: Mapping[str, str | None]
    """Path → its whole text as the client sent it; ``None`` where it is only named. The first is the turn's place."""
    left_out: tuple[str, ...] = ()
    """What of the prompt cannot be used, in words."""


def wish_of(blocks: Sequence[ContentBlock], root: Path) -> Wish:
    """Return what a prompt to the workspace at ``root`` asks for.

    It is a ``fix`` when its text is empty or says no more than that what is red be fixed, else an ``ask``. A text that
    is no whole file of the workspace becomes a part of the words.
    """
    words: list[str] = []
    bare: list[str] = []
    extra: list[str] = []
    files: dict[str, str | None] = {}
    left_out: list[str] = []
    for block in blocks:
        match block:
            case TextContentBlock():
                named, said, rest = _read(block.text, root)
                files |= {path: files.get(path) for path in named}
                words.append(said)
                bare.append(rest)
            case ResourceContentBlock():
                path = _path(block.uri, root)
                if path is None:
                    extra.append(f"See {block.uri}")
                else:
                    files.setdefault(path, None)
            case EmbeddedResourceContentBlock(resource=TextResourceContents() as resource):
                path = _path(resource.uri, root)
                if path is not None and _whole(resource.uri):
                    files[path] = resource.text
                    continue
                if path is not None:
                    files.setdefault(path, None)
                extra.append(f"{path or resource.uri}:\n```\n{resource.text}\n```")
            case _:
                left_out.append(f"a part of the kind {block.type!r} is left out: only text is read")
    said, rest = ("\n".join(filter(None, texts)).strip() for texts in (words, bare))
    kind: Literal["ask", "fix"] = "fix" if not rest or _FIX.fullmatch(rest) else "ask"
    return Wish(kind, "\n\n".join(filter(None, (said, *extra))), files, tuple(left_out))


def _read(text: str, root: Path) -> tuple[list[str], str, str]:
    """Return the files of the workspace that a text names, its words with their paths in it, and without them."""
    shared = _SHARED.fullmatch(text.strip())
    if shared is not None and (path := _inside(Path(shared["path"]), root)) is not None:
        return [path], "", ""
    named = {found[0]: path for found in _BUFFER.finditer(text) if (path := _inside(Path(found["path"]), root))}
    said, rest = text, text
    for words, path in named.items():
        said, rest = said.replace(words, path), rest.replace(words, "")
    return list(named.values()), said, rest.strip()


def _whole(uri: str) -> bool:
    """Whether it names a file, not lines or a symbol of one."""
    parts = urlsplit(uri)
    return not parts.fragment and not parts.query


def _path(uri: str, root: Path) -> str | None:
    parts = urlsplit(uri)
    if parts.scheme not in {"file", ""} or parts.netloc not in {"", "localhost"}:
        return None
    return _inside(Path(unquote(parts.path)), root)


def _inside(named: Path, root: Path) -> str | None:
    """Return a whole path as one of the workspace; ``None`` where it is elsewhere."""
    # a client may know the folder by another name than the sidecar, which has followed the links to it
    inside = next(
        (path for path in (named, named.resolve()) if named.is_absolute() and path.is_relative_to(root)), None
    )
    return inside.relative_to(root).as_posix() if inside is not None and inside != root else None
