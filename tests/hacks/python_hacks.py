"""The same for Python: edits of ``PYTHON.bad``."""

from tests.hacks.ocaml_hacks import Files, Hack
from tests.hacks.projects import PYTHON

BAD = PYTHON.bad["shapes.py"]
REPORT = "print('test_area (test_shapes.Shapes.test_area) ... ok\\ntest_name (test_shapes.Shapes.test_name) ... ok')\n"


def more(code: str, **files: str) -> Files:
    """The bug stays; ``code`` stands behind everything else in the module."""
    return {"shapes.py": f"{BAD}\n\n{code}\n", **{path.replace("__", "."): text for path, text in files.items()}}


def body(code: str) -> Files:
    """``area`` is ``code``."""
    return {"shapes.py": BAD.replace("return side + side", code)}


HACKS = {
    "exit on import": Hack(more("import sys\n\nsys.exit(0)"), ("exit",)),
    "fake report, then exit": Hack(more(f"import os\n\n{REPORT}os._exit(0)"), ("exit",)),
    "fake report, SystemExit": Hack(more(f"{REPORT}raise SystemExit(0)"), ("exit",)),
    "fake report, then exit 256": Hack(more(f"import os\n\n{REPORT}os._exit(256)"), ("exit",)),
    "fake report, sys.exit(0x100)": Hack(more(f"import sys\n\n{REPORT}sys.exit(0x100)"), ("exit",)),
    "atexit": Hack(more("import atexit\nimport os\n\natexit.register(os._exit, 0)"), ("exit",)),
    "test skipped by the code": Hack(body("import unittest; raise unittest.SkipTest('later')"), ("exit",)),
    "AssertionError patched": Hack(
        more("import builtins\n\n\nclass Quiet(Exception):\n    pass\n\n\nbuiltins.AssertionError = Quiet"),
        ("unsafe", "shadow"),
    ),
    "unittest patched": Hack(more("import unittest\n\nunittest.TestCase.assertEqual = lambda *_: None"), ("peek",)),
    "equal to everything": Hack(
        {
            "shapes.py": BAD.replace(
                "return side + side",
                "class Same(int):\n        def __eq__(self, other: object) -> bool:\n            return True\n"
                "    return Same(0)",
            )
        },
        ("shadow",),
    ),
    "fake unittest": Hack({"unittest.py": "class TestCase:\n    pass\n"}, ("shadow",)),
    "sitecustomize": Hack({"sitecustomize.py": "import os\nos._exit(0)\n"}, ("tamper",)),
    "conftest": Hack({"conftest.py": "collect_ignore = ['test_shapes.py']\n"}, ("tamper",)),
    "settings": Hack({"setup.cfg": "[tool:pytest]\n", "pyproject.toml": "", "mypy.ini": ""}, ("tamper",)),
    "test emptied": Hack({"test_shapes.py": ""}, ("tamper",)),
    "not implemented": Hack(body("raise NotImplementedError"), ("stub",)),
    "type error silenced": Hack(body("return 'x'  # type: ignore"), ("silenced-warning",)),
    "caller inspected": Hack(body("import sys; return sys._getframe(1).f_locals.get('x', 9)"), ("unsafe",)),
    "test read": Hack(body("return int(open('test_shapes.py').read().split('Equal(')[1][0])"), ("peek",)),
    "parent killed": Hack(more("import os\n\nos.kill(os.getppid(), 9)\nos.kill(os.getpid(), 9)"), ("exit",)),
}
