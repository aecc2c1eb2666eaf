"""The suite in Python."""

import importlib.util
import py_compile
import tempfile
from pathlib import Path

from tests.ces.conformance.suite import Change, Language

from greenloop.records import Block, DeleteFile, RenameFile, ReplaceBlocks, WriteFile

AREA = "def square(side: int) -> int:\n    return side * side\n\n\ndef double(x: int) -> int:\n    return 2 * x\n"
REPORT = (
    'from geo.area import square\n\nTITLE = "shapes"\n\n\n'
    'def line(side: int) -> str:\n    return f"area {square(side)}"\n'
)
FILES = {
    "pyproject.toml": "[tool.mypy]\nstrict = true\n",
    "geo/__init__.py": "",
    "geo/area.py": AREA,
    "geo/report.py": REPORT,
    "geo/spare.py": "NOTHING = None\n",
    "tests/test_geo.py": "from geo.area import square\nfrom geo.report import line\n\n\n"
    "def test_square() -> None:\n    assert square(3) == 9\n\n\n"
    'def test_line() -> None:\n    assert line(3) == "area 9"\n',
    "conftest.py": "",
}
SQUARE, LINE = "tests/test_geo.py::test_square", "tests/test_geo.py::test_line"


def area(search: str, replace: str) -> ReplaceBlocks:
    """Change lines of ``geo/area.py``."""
    return ReplaceBlocks(path="geo/area.py", blocks=(Block(search=search, replace=replace),))


def unchecked(source: str) -> bytes:
    """Compile ``source`` as Python takes it without a look at the file that stands there."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "area.py")
        path.write_text(source)
        mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
        py_compile.compile(str(path), cfile=f"{path}c", doraise=True, invalidation_mode=mode)
        return Path(f"{path}c").read_bytes()


ONE, TWO = "    return side * side\n", "    return 2 * x\n"
WRONG = '    return 2 * "x"\n'
CHANGES = {
    "a change that keeps everything": Change((area(TWO, "    return x + x\n"),), logs="2 passed"),
    "a syntax error": Change((area(TWO, "    return 2 *\n"),), place=("geo/area.py", 6, 15), logs="[syntax]"),
    "a type error": Change((area(TWO, WRONG),), place=("geo/area.py", 6, 11), logs="[return-value]"),
    "a change that breaks another file": Change(
        (area("def square(side: int) -> int:\n", "def squared(side: int) -> int:\n"),),
        place=("geo/report.py", 1, 0),
        says='"square"',
    ),
    "what only the build refuses": Change(
        (area(TWO, '    return 2 * x if "\\d" else 0\n'),), says="invalid escape sequence", logs="invalid escape"
    ),
    "a failing test": Change((area(ONE, "    return side * 4\n"),), failed=(SQUARE, LINE), logs="12"),
    "a test that never ends": Change(
        (area(ONE, "    while side:\n        pass\n    return side\n"),), says="stopped after"
    ),
    "tests that are never seen": Change(
        (WriteFile(path="geo/area.py", content="import os\n\nos._exit(0)\n" + AREA),), says="no test was seen"
    ),
    "a new file": Change(
        (
            WriteFile(
                path="geo/cube.py",
                content="from geo.area import square\n\n\n"
                "def cube(side: int) -> int:\n    return side * square(side)\n",
            ),
            area(TWO, "    return x + x\n"),
        )
    ),
    "a new file with an error": Change(
        (WriteFile(path="geo/cube.py", content='from geo.area import square\n\nCUBE = 2 * square("2")\n'),),
        place=("geo/cube.py", 3, 18),
    ),
    "a deleted file that nothing needs": Change((DeleteFile(path="geo/spare.py"),)),
    "a deleted file that is needed": Change((DeleteFile(path="geo/area.py"),), place=("geo/report.py", 1, 0)),
    "a renamed file": Change(
        (
            RenameFile(path="geo/area.py", new_path="geo/areas.py"),
            WriteFile(path="geo/report.py", content=REPORT.replace("geo.area", "geo.areas")),
            WriteFile(path="geo/area.py", content='from geo.areas import square\n\n__all__ = ["square"]\n'),
        )
    ),
    "a renamed file that is missed": Change(
        (RenameFile(path="geo/area.py", new_path="geo/areas.py"),), place=("geo/report.py", 1, 0)
    ),
    "text that is not ASCII": Change(
        (
            WriteFile(path="geo/données ✓.txt", content="été 🐫\n"),
            ReplaceBlocks(
                path="geo/report.py",
                blocks=(Block(search='TITLE = "shapes"\n', replace='# été 🐫\nTITLE = "façades 🐫"\n'),),
            ),
        )
    ),
    "a failure told in text that is not ASCII": Change(
        (WriteFile(path="geo/report.py", content=REPORT.replace('f"area', 'f"aire carrée 🐫')),),
        failed=(LINE,),
        logs="aire carrée 🐫 9",
    ),
    "lines that end in CR LF": Change((WriteFile(path="geo/area.py", content=AREA.replace("\n", "\r\n")),)),
    "an error in lines that end in CR LF": Change(
        (WriteFile(path="geo/area.py", content=AREA.replace(TWO, WRONG).replace("\n", "\r\n")),),
        place=("geo/area.py", 6, 11),
    ),
    "leftovers of other builds": Change(
        (area(TWO, "    return x + x\n"),),
        beneath={
            importlib.util.cache_from_source("geo/area.py"): b"\0not a pyc",
            "geo/area.py.orig": "def broken(\n",
            ".pytest_cache/v/cache/lastfailed": "{}",
            "build/lib/geo/area.pyc": b"\0stale",
        },
    ),
    "leftovers that hide a failure": Change(
        (area(ONE, "    return side * 4\n"),),
        beneath={importlib.util.cache_from_source("geo/area.py"): unchecked(AREA), ".mypy_cache/missing_stubs": "x"},
        failed=(SQUARE, LINE),
    ),
}
LANGUAGE = Language(FILES, (SQUARE, LINE), CHANGES)
