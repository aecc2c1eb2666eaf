"""Which paths an edit may name: relative, inside the tree, and never version control's own."""

from greenloop.records import EditError

MAX_PATH_BYTES = 4096
"""Longest path, in bytes: Linux' PATH_MAX."""
MAX_NAME_BYTES = 255
"""Longest name of a file or folder, in bytes: the limit of ext4, APFS and NTFS alike."""

_VCS = frozenset({".git", ".hg", "git~1", "hg~1"})
"""Names of version control's folders; ``git~1`` is what Windows calls ``.git`` in short (CVE-2014-9390)."""
_IGNORED_BY_HFS = dict.fromkeys(
    [*range(0x200C, 0x2010), *range(0x202A, 0x202F), *range(0x206A, 0x2070), 0xFEFF], None
)  # fmt: skip
"""Characters that macOS drops from names, so that ``.g\\u200cit`` would be ``.git`` there (git's own list)."""


def check_path(path: str) -> str:
    """Return ``path`` if an edit may name it.

    Raises ``EditError`` with reason ``outside-tree`` (absolute, or with ``..``), ``vcs-path`` (``.git`` or
    ``.hg`` in any disguise) or ``bad-path`` (empty, NUL, too long, not UTF-8, ``.`` or an empty part).
    """
    try:
        encoded = path.encode()
    except UnicodeEncodeError as error:
        raise EditError(f"{path!r}: the path is not UTF-8", "rename the file", reason="bad-path") from error
    if not path or "\0" in path or len(encoded) > MAX_PATH_BYTES:
        shown = f"{path[:60]!r}" if path else "an empty path"
        raise EditError(f"{shown}: not a path", "name a file of the tree", reason="bad-path")
    parts = path.split("/")
    if path.startswith("/") or ".." in parts:
        raise EditError(
            f"{path!r}: outside the tree", "name files relative to the top of the tree", reason="outside-tree"
        )
    for part in parts:
        if part in {"", "."} or len(part.encode()) > MAX_NAME_BYTES:
            raise EditError(f"{path!r}: not a plain path", "write it as folder/file", reason="bad-path")
        if _is_vcs(part):
            raise EditError(f"{path!r}: version control's own files are never edited", reason="vcs-path")
    return path


def _is_vcs(part: str) -> bool:
    # NTFS drops trailing dots and blanks, and what follows a colon names a stream of the same file
    plain = part.translate(_IGNORED_BY_HFS).split(":", 1)[0].rstrip(". ")
    return plain.casefold() in _VCS


def quote_c(path: str) -> str:
    """Return ``path`` as git writes it in a diff: in quotes with C escapes where it must be, else as it is.

    As with git's ``core.quotePath=false``, letters beyond ASCII stay themselves.
    """
    if not any(char in '"\\' or ord(char) < 0x20 or ord(char) == 0x7F for char in path):
        return path
    return '"' + "".join(_escape(char) for char in path) + '"'


def _escape(char: str) -> str:
    if char in _ESCAPES:
        return "\\" + _ESCAPES[char]
    if ord(char) < 0x20 or ord(char) == 0x7F:
        return f"\\{ord(char):03o}"
    return char


_ESCAPES = {
    "\a": "a", "\b": "b", "\t": "t", "\n": "n", "\v": "v", "\f": "f", "\r": "r", '"': '"', "\\": "\\"
}  # fmt: skip
_UNESCAPES = {letter: char for char, letter in _ESCAPES.items()}


def unquote_c(text: str) -> tuple[str, str]:
    """Read the C-quoted string that ``text`` begins with; return it and what follows it.

    Raises ``EditError`` with reason ``bad-path`` when it is not closed, has an unknown escape, or is not UTF-8.
    """
    found = bytearray()
    at = 1
    while at < len(text):
        char = text[at]
        if char == '"':
            try:
                return found.decode(), text[at + 1 :]
            except UnicodeDecodeError as error:
                raise EditError(f"{text[:80]!r}: the path is not UTF-8", reason="bad-path") from error
        if char != "\\":
            found += char.encode(errors="surrogatepass")
            at += 1
            continue
        escape = text[at + 1 : at + 2]
        octal = text[at + 1 : at + 4]
        if escape in _UNESCAPES:
            found += _UNESCAPES[escape].encode()
            at += 2
        elif len(octal) == 3 and set(octal) <= set("01234567") and octal[0] in "0123":
            found.append(int(octal, 8))
            at += 4
        else:
            break
    raise EditError(f"{text[:80]!r}: a quoted path that cannot be read", reason="bad-path")
