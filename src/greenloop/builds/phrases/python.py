"""Python: the same reasons for mistrust as in OCaml, in its own words."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import PurePosixPath

from greenloop.builds.phrases.matching import occurrences, peeks, phrases, says_nothing, table, tally

_STRING = (
    rb"""(?:'''(?:[^\\]|\\.)*?(?:'''|\Z)|\"\"\"(?:[^\\]|\\.)*?(?:\"\"\"|\Z)|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')"""
)
_TOKEN = re.compile(
    rb"(?P<comment>#[^\n]*)|(?P<prefix>\b[rRbBuUfF]{1,2})?(?P<string>" + _STRING + rb")|[\w\x80-\xff]+|[^\s\w]",
    re.DOTALL,
)
_MARKER = re.compile(
    rb"#\s*(?:type:\s*ignore|noqa|mypy:|pyright:|pylint:\s*disable|ruff:\s*noqa|nosec|pragma:\s*no\s*cover)"
)
_MAIN = re.compile(rb"""^if __name__ == ["']__main__["']:.*\n?(?:(?:[ \t].*)?\n|[ \t].*\Z)*""", re.MULTILINE)
"""What runs only as a program; no test imports it into being run."""
_MAX_NESTING = 3

_TABLE = table({
    "raises": phrases("assert False", "raise AssertionError"),
    "stub": phrases("raise NotImplementedError", "return NotImplemented", "assert_never"),
    "unsafe": phrases(
        "exec (", "eval (", "__import__", "import ctypes", "from ctypes", "sys . _getframe", "sys . settrace",
        "sys . setprofile", "sys . modules", "gc . get_objects", "gc . get_referrers", "pickle . loads",
        "marshal . loads", "import builtins", "__builtins__", "import gc", "_pytest", "sys . meta_path",
        "sys . path_hooks",
    ),
    "external": phrases("CDLL", "cffi", "dlopen", "cdll"),
    "silenced-warning": phrases("filterwarnings", "no_type_check", "simplefilter"),
    "swallow": phrases("except :", "except Exception :", "except BaseException :", "suppress ( Exception"),
    "peek": tuple(
        (how, library)
        for how in (b"import", b"from")
        for library in (b"unittest", b"pytest", b"_pytest", b"hypothesis", b"doctest", b"inspect")
    ),
    "shell": phrases("subprocess .", "os . system", "os . popen", "os . posix_spawn", "from subprocess"),
    "cast": phrases("cast ("),
    "shadow": phrases("AssertionError =", "pytest =", "unittest =", "pytest . raises =", "pytest . approx ="),
})  # fmt: skip
_EXIT = phrases(
    "sys . exit", "from sys import exit", "os . _exit", "_exit (", "SystemExit", "exit (", "quit (", "os . abort",
    "os . kill", "os . fork", "os . execv", "os . execve", "os . execvp", "os . execl", "signal . alarm",
    "signal . setitimer", "signal . signal", "atexit", "sys . excepthook", "faulthandler", "threading . excepthook",
    "pytest . skip", "pytest . xfail", "pytest . exit", "pytest . importorskip", "SkipTest", "skipTest", "mark . skip",
    "mark . xfail", "mark . skipif", "unittest . skip", "expectedFailure", "KeyboardInterrupt",
)  # fmt: skip
_SHADOWING_FILES = frozenset(
    ("pytest", "unittest", "builtins", "sitecustomize", "usercustomize", "_pytest", "hypothesis", "pluggy", "mypy")
)
_BLIND = re.compile(
    rb"def\s+__(?:eq|ne|lt|le|gt|ge|hash|bool)__\s*\([^)]*\)[^:\n]*:\s*(?:\"\"\"[^\"]*\"\"\"\s*)?return\s+(?:True|False|[0-9]+)\b"
)
_TESTS = re.compile(
    rb"^[ \t]*(?:async )?(?:def test\w*|class Test\w*|>>> [^\n]*(?:\n[ \t]*[^\s>][^\n]*)*)", re.MULTILINE
)


def count(path: str, source: bytes) -> Counter[str]:
    """Return flag → reasons for it in one file.

    ``exit`` holds what leaves a test early as well: skips and expected failures. Below ``if __name__ ==
    "__main__"`` leaving is what a program does. ``cast`` is ``typing.cast``; the rest as for OCaml.
    """
    code = list(_tokens(source))
    found = tally(code, _TABLE)
    found["exit"] += occurrences(list(_tokens(_MAIN.sub(b"", source))), _EXIT)
    found["silenced-warning"] += sum(1 for m in _TOKEN.finditer(source) if m["comment"] and _MARKER.match(m["comment"]))
    found["stub"] += sum(1 for match in _EMPTY.finditer(source) if says_nothing(match[1]))
    found["peek"] += sum(1 for match in _TOKEN.finditer(source) if match["string"] and peeks(match["string"]))
    parts = PurePosixPath(path)
    found["shadow"] += int(bool({parts.stem, *parts.parts[:-1]} & _SHADOWING_FILES))
    found["shadow"] += len(_BLIND.findall(source))
    return found


_EMPTY = re.compile(rb"""\braise\s+\w+\(\s*[rRfFbB]?["']([^"'\n]*)["']\s*\)""")


def inline_tests(source: bytes) -> Counter[tuple[bytes, ...]]:
    """Return the names of the test functions in a module, and its doctests."""
    return Counter((found,) for found in _TESTS.findall(source))


def _tokens(source: bytes, nesting: int = 0) -> Iterator[bytes]:
    """Yield tokens, comments and strings left out; what an f-string computes is code."""
    for match in _TOKEN.finditer(source):
        if match["comment"]:
            continue
        if match["string"] is None:
            yield match[0]
        elif match["prefix"] and b"f" in match["prefix"].lower() and nesting < _MAX_NESTING:
            for inside in re.findall(rb"\{([^{}]*)\}", match["string"]):
                yield from _tokens(inside, nesting + 1)
