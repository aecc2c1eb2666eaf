"""A real project, and engines that judge trees in the real sandbox."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from greenloop.builds.engine import Engine
from greenloop.builds.sandbox import Bubblewrap, Limits, Sandbox
from greenloop.builds.toolchain import Toolchain
from greenloop.builds.verdicts import VerdictStore
from greenloop.records import TreeId
from greenloop.workspace.store import Entry, Mode, TreeStore

PROJECT = {
    "dune-project": "(lang dune 2.9)\n",
    "util/dune": "(library (name util))\n",
    "util/sums.ml": "let add x y = x + y\nlet twice f x = f (f x)\n",
    "util/names.ml": 'let square = "square"\nlet circle = "circle"\n',
    "geometry/dune": "(library (name geometry) (libraries util))\n",
    "geometry/geometry.mli": "type shape = Circle of int | Square of int\n"
    "val area : shape -> int\nval total : shape list -> int\nval name : shape -> string\n",
    "geometry/geometry.ml": "type shape = Circle of int | Square of int\n"
    "let area = function Circle r -> 3 * r * r | Square s -> s * s\n"
    "let total shapes = List.fold_left (fun sum shape -> Util.Sums.add sum (area shape)) 0 shapes\n"
    "let name = function Circle _ -> Util.Names.circle | Square _ -> Util.Names.square\n",
    "bin/dune": "(executable (name main) (libraries geometry))\n",
    "bin/main.ml": "let () = print_int (Geometry.total [ Geometry.Square 2 ])\n",
    "test/dune": "(test (name test_geometry) (libraries geometry alcotest))\n",
    "test/test_geometry.ml": "open Geometry\n"
    'let square () = Alcotest.(check int) "square" 4 (area (Square 2))\n'
    'let total () = Alcotest.(check int) "total" 16 (total [ Square 2; Circle 2 ])\n'
    'let () = Alcotest.run "geometry"\n'
    '  [ ("area", [ Alcotest.test_case "a square" `Quick square ]);\n'
    '    ("total", [ Alcotest.test_case "all of them" `Slow total ]) ]\n',
}
"""Two libraries, one with an interface, an executable and an alcotest suite; green in every stage."""


class Bench:
    """A tree store and all that an engine needs, in one temporary folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.store = TreeStore(root / "store")
        self.verdicts = VerdictStore(root / "verdicts.sqlite")
        self.sandbox: Sandbox = Bubblewrap(limits=Limits(wall_seconds=120))

    def tree(self, files: Mapping[str, str | bytes]) -> TreeId:
        """Store a tree of these files."""
        return self.edit(self.store.empty, files)

    def edit(self, tree: TreeId, changes: Mapping[str, str | bytes | None]) -> TreeId:
        """Return the tree with these files written, or deleted where ``None``."""
        entries: dict[str, Entry | None] = {}
        for path, content in changes.items():
            raw = content.encode() if isinstance(content, str) else content
            entries[path] = None if raw is None else Entry(Mode.FILE, self.store.write_blob(raw))
        return self.store.update(tree, entries)

    def text(self, tree: TreeId, path: str) -> str:
        """Return the text of a file that is there."""
        content = self.store.read(tree, path)
        assert content is not None
        return content.decode()

    def engine(self, toolchain: Toolchain, *, workers: int = 2, sandbox: Sandbox | None = None) -> Engine:
        """Return an engine on this bench."""
        return Engine(
            store=self.store,
            verdicts=self.verdicts,
            toolchain=toolchain,
            sandbox=sandbox or self.sandbox,
            scratch=self.root / "scratch",
            workers=workers,
        )


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.fixture(scope="session")
def project_bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """One bench for all tests that only read the project's warm trees."""
    return Bench(tmp_path_factory.mktemp("project"))


@pytest.fixture(scope="session")
def project(project_bench: Bench) -> TreeId:
    """The project, stored on ``project_bench``."""
    return project_bench.tree(PROJECT)


@pytest.fixture(scope="session")
def small_bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """The same for the project without its tests: alcotest takes a second to link, twice."""
    return Bench(tmp_path_factory.mktemp("small"))


@pytest.fixture(scope="session")
def small(small_bench: Bench) -> TreeId:
    """The project without its tests, stored on ``small_bench``."""
    return small_bench.tree({path: text for path, text in PROJECT.items() if not path.startswith("test/")})
