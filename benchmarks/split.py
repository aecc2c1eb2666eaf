"""Splitting a large change of a real project: what share of all prefixes builds, and what it costs to know.

    python benchmarks/split.py --from FOLDER --to FOLDER [--without PATH]... [--profile dev] [--suite build] [--json]
    python benchmarks/split.py --generated [--json]

``--from`` and ``--to`` are folders with two versions of one dune project, such as source packages of a distribution;
what needs a library that is not here (benchmarks, say) is left out of both by ``--without``. ``--generated`` takes a
project of ``dune_project.py`` and a feature of some 600 lines over it instead. ``--json`` ends with one object:

    features, pieces, green_prefix_share, exact, builds, sizes, planned, fragments, uncut, unsplit, seconds
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

import dune_project
from rich.console import Console
from rich.table import Table

from greenloop.builds.engine import Engine
from greenloop.builds.sandbox import Bubblewrap, Limits
from greenloop.builds.toolchains.dune import Dune, DuneConfig
from greenloop.builds.verdicts import VerdictStore
from greenloop.mining.split.split import Split, Splitter
from greenloop.records import Feature, Suite, TreeId
from greenloop.workspace.store import Entry, Mode, TreeStore

_MODULES = 20
_CHAPTERS = 12


def load(store: TreeStore, folder: Path, without: list[str]) -> TreeId:
    """Store the files below ``folder`` as a tree; links and what is left out are not looked at."""
    files: dict[str, Entry] = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and not path.is_symlink() and not any(f"{name}/".startswith(f"{out}/") for out in without):
            mode = Mode.EXECUTABLE if path.stat().st_mode & 0o100 else Mode.FILE
            files[name] = Entry(mode, store.write_blob(path.read_bytes()))
    return store.write_tree(files)


def generated(folder: Path) -> tuple[Path, Path]:
    """Write a project and the same with a feature: a library, functions that use it across modules, their callers."""
    before, after = folder / "before", folder / "after"
    for place in (before, after):
        place.mkdir()
        dune_project.write_project(place, modules=_MODULES)
    (after / "report").mkdir()
    (after / "report/dune").write_text("(library\n (name report)\n (libraries lib000 lib001))\n")
    chapters = range(_CHAPTERS)
    for number in chapters:
        (after / f"report/chapter{number}.mli").write_text(_chapter_interface(number))
        (after / f"report/chapter{number}.ml").write_text(_chapter(number))
    calls = " + ".join(f"Chapter{number}.pages {number}" for number in chapters)
    (after / "report/book.ml").write_text(f"let pages () = {calls}\n")
    for library in range(2):
        for module in range(10):
            for suffix, text in ((".ml", "\nlet title t = t.label\n"), (".mli", "\nval title : t -> string\n")):
                path = after / f"lib{library:03d}/m{module}{suffix}"
                path.write_text(path.read_text() + text)
    dune = after / "bin/dune"
    dune.write_text(dune.read_text().replace("(libraries ", "(libraries report "))
    main = after / "bin/main.ml"
    main.write_text(main.read_text() + '\nlet () = Printf.printf "%d\\n" (Report.Book.pages ())\n')
    return before, after


def _chapter(number: int) -> str:
    room = f"Lib{number % 2:03d}.M{number % 10}"
    below = f"Chapter{number - 1}.pages n" if number else "n"
    parts = "\n".join(
        f"let part{part} items =\n  List.fold_left\n    (fun sum item ->\n"
        f"      sum + String.length ({room}.title item) + {part})\n    {part} items\n"
        for part in range(5)
    )
    total = " + ".join(f'part{part} [ {room}.make n "x" ]' for part in range(5))
    return f"{parts}\nlet pages n = {total} + {below}\n"


def _chapter_interface(number: int) -> str:
    room = f"Lib{number % 2:03d}.M{number % 10}"
    parts = "".join(f"val part{part} : {room}.t list -> int\n" for part in range(5))
    return f"{parts}\nval pages : int -> int\n"


def run(before: Path, after: Path, without: list[str], profile: str, suite: Suite) -> Split:
    """Split the change between two folders with dune in the sandbox, from an empty home."""
    with tempfile.TemporaryDirectory() as scratch:
        home = Path(scratch)
        store = TreeStore(home / "objects.git")
        engine = Engine(
            store=store,
            verdicts=VerdictStore(home / "verdicts.db"),
            toolchain=Dune(DuneConfig(profile=profile)),
            sandbox=Bubblewrap(limits=Limits()),
            scratch=home,
            workers=1,
        )
        base, target = (load(store, folder, without) for folder in (before, after))
        feature = Feature(base=base, target=target, title=f"{before.name} to {after.name}")
        try:
            return Splitter(store, engine, suite).split(
                feature, lambda done, of: print(f"{done}/{of} fragments", file=sys.stderr, flush=True)
            )
        finally:
            engine.close()


def show(result: Split) -> None:
    """Print the table of pieces."""
    table = Table(title=f"{result.feature.title}: {result.builds} builds, {result.seconds:.0f} s", box=None)
    for column in ("piece", "lines", "prefix", "files", "why it is not smaller"):
        table.add_column(column, overflow="fold")
    for number, piece in enumerate(result.pieces, 1):
        files = ", ".join(piece.paths[:3]) + (f" and {len(piece.paths) - 3} more" if len(piece.paths) > 3 else "")
        table.add_row(str(number), str(piece.lines), "green" if piece.green else "not green", files, piece.reason)
    Console(width=140).print(table)


def main() -> None:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--from", dest="before", type=Path, help="a folder with the older version")
    parser.add_argument("--to", dest="after", type=Path, help="a folder with the newer version")
    parser.add_argument("--generated", action="store_true", help="a generated project and feature instead")
    parser.add_argument("--without", action="append", default=[], help="a path to leave out of both; may be repeated")
    parser.add_argument("--profile", default="dev", help="dune's build profile")
    parser.add_argument("--suite", default=Suite.BUILD.value, choices=[one.value for one in Suite])
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    given = parser.parse_args()
    if given.generated == bool(given.before or given.after) or bool(given.before) != bool(given.after):
        parser.error("name --from and --to, or --generated")
    with tempfile.TemporaryDirectory() as scratch:
        before, after = generated(Path(scratch)) if given.generated else (given.before, given.after)
        result = run(before, after, given.without, given.profile, Suite(given.suite))
    show(result)
    if result.unsplit:
        print(f"not split: {result.unsplit}")
    if given.json:
        print(json.dumps({
            "features": 1,
            "pieces": len(result.pieces),
            "green_prefix_share": round(result.green_prefix_share, 4),
            "exact": result.exact,
            "builds": result.builds,
            "sizes": [piece.lines for piece in result.pieces],
            "planned": result.planned,
            "fragments": result.fragments,
            "uncut": [piece.reason for piece in result.pieces if piece.reason],
            "unsplit": result.unsplit,
            "seconds": round(result.seconds, 1),
        }))  # fmt: skip


if __name__ == "__main__":
    main()
