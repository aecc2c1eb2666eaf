"""The smoke tasks with the real compiler and the real OCaml top level behind them."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from greenloop.builds.behaviour import Programs
from greenloop.builds.behaviour_store import Behaviours, BehaviourStore
from greenloop.builds.engine import Engine
from greenloop.builds.sandbox import Bubblewrap
from greenloop.builds.toolchains.ocaml_file import OcamlFile
from greenloop.builds.verdicts import VerdictStore
from greenloop.datasets.load import load
from greenloop.models.seam import Request
from greenloop.training.bench import Bench
from greenloop.workspace.store import TreeStore

RECIPES = Path(__file__).resolve().parents[2] / "recipes"
DATASET = RECIPES / "smoke-dataset"


@contextmanager
def real_bench(place: Path) -> Iterator[Bench]:
    """Give a bench of this machine's own OCaml in a sandbox, with stores of its own in ``place``."""
    store = TreeStore(place / "trees")
    load(DATASET).add_trees(store)
    verdicts, known = VerdictStore(place / "verdicts.db"), BehaviourStore(place / "behaviours.db")
    sandbox = Bubblewrap()
    engine = Engine(
        store=store, verdicts=verdicts, toolchain=OcamlFile(), sandbox=sandbox, scratch=place / "scratch", workers=1
    )
    try:
        yield Bench(store, engine, Behaviours(Programs(store, sandbox, place / "scratch"), known))
    finally:
        known.close()
        verdicts.close()
        store.close()


def replies(request: Request) -> list[str]:
    """Answer a smoke task: its fix, one that prints something else, a stub, nothing changed, no edit, its fix again."""
    shown = request.messages[-1].content
    line = next(text for text in shown.split("\n") if text.startswith("let "))
    name, number = line.split()[1], line.split('"')[1]

    def block(right: str) -> str:
        return f"{name}.ml\n<<<<\n{line}\n====\nlet {name} x = {right}\n>>>>\n"

    fix = block(f"x + {number}")
    return [fix, block(f"{number} + x"), block(f"x - {number}"), block('failwith ""'), block(f'x + "{number}"'), "No."]


@dataclass
class Service:
    """``greenloop ces serve`` over a repository with one green OCaml file."""

    process: subprocess.Popen[bytes]
    address: str

    def end(self) -> None:
        """Ask it to end, and wait until it has."""
        self.process.terminate()
        self.process.wait(60)


@contextmanager
def real_service(place: Path) -> Iterator[Service]:
    """Give a service of this machine's own OCaml, ready; its one revision is ``green@HEAD``."""
    repository = place / "green"
    repository.mkdir(parents=True)
    (repository / "green.ml").write_text("let answer = 42\n")
    (repository / "greenloop.toml").write_text('[toolchain]\nkind = "ocaml_file"\n')
    for asked in (("init", "-q"), ("add", "green.ml"), ("commit", "-qm", "green")):
        subprocess.run(["git", *asked], cwd=repository, check=True)
    words = ["--home", str(place / "home"), "ces", "serve", "--repository", f"green={repository}"]
    (place / "own").mkdir(mode=0o700)
    words += ["--socket", str(place / "own" / "ces.sock"), "--warm", "green@HEAD"]
    with (place / "out").open("wb") as out, (place / "err").open("wb") as err:
        process = subprocess.Popen([sys.executable, "-m", "greenloop", *words], cwd=repository, stdout=out, stderr=err)
    try:
        while "ready at " not in (place / "out").read_text():
            assert process.poll() is None, (place / "err").read_text()
            time.sleep(0.05)
        yield Service(process, str(place / "own" / "ces.sock"))
    finally:
        process.terminate()
        process.wait(60)
