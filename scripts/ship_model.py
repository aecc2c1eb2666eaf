"""Make the model that Greenloop brings: python scripts/ship_model.py SESSIONS.jsonl.xz [--work build/ship]

Recorded OCaml sessions become examples, their last green trees synthetic ones, both a dataset with held-out people, and
that, by the ``RECIPES`` one after the other, an adapter; it and where it comes from are put into
``src/greenloop/models/shipped``. Two idle cores take three hours. What is there already is not done again, and a
training run that was stopped goes on.
"""

import argparse
import json
import shutil
import subprocess
import sys
from pathlib import Path

from greenloop.cli.home import Home
from greenloop.models.book import Book
from greenloop.storage import write_atomically

ROOT = Path(__file__).resolve().parent.parent
RECIPES = (("sft", "ocaml-135m-sft"), ("sft", "ocaml-135m-small-sft"), ("rejection", "ocaml-135m-rejection"))
"""Kind and name; each goes on from the one before."""
SHIPPED = ROOT / "src" / "greenloop" / "models" / "shipped"
SYNTHETIC = 1000
NAME = "ocaml-135m"


def greenloop(work: Path, *words: str | Path) -> None:
    """Run a command in the home of this work; end with its status if it fails."""
    print("$ greenloop", *words, flush=True)
    command = [sys.executable, "-m", "greenloop", "--home", work / "home", "--config", work / "greenloop.toml", *words]
    status = subprocess.run(list(map(str, command)), cwd=work, check=False).returncode
    if status:
        sys.exit(status)


def main() -> None:
    """Go through the steps of which nothing is there yet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sessions", type=Path)
    parser.add_argument("--work", type=Path, default=ROOT / "build" / "ship")
    options = parser.parse_args()
    work, sessions = options.work.resolve(), options.sessions.resolve()
    work.mkdir(parents=True, exist_ok=True)
    (work / "greenloop.toml").write_text('[dataset]\nrepeats = "train"\n')
    examples, synthetic, dataset = (work / name for name in ("examples.jsonl", "synthetic.jsonl", "dataset"))
    if not examples.exists():
        greenloop(work, "import", "ocaml-top", sessions)
        greenloop(work, "mine", "--out", examples)
    if not synthetic.exists():
        greenloop(work, "mine", "--synthetic", "-w", "ocaml-top", "--count", str(SYNTHETIC), "--out", synthetic)
    if not dataset.exists():
        greenloop(work, "dataset", "build", examples, "--also", synthetic, "--out", dataset)
    # beside the dataset and the runs: paths in a recipe are relative to it
    shutil.copytree(ROOT / "recipes", work / "recipes", dirs_exist_ok=True)
    for kind, name in RECIPES:
        run = work / "runs" / name
        card = run / "card.json"
        if not card.exists() or json.loads(card.read_bytes())["status"] != "finished":
            resume = ["--resume"] if run.exists() else []
            greenloop(work, "train", kind, "--recipe", work / "recipes" / f"{name}.toml", "--out", run, *resume)
    greenloop(work, "models", "add", NAME, "--run", run)
    book = Book(Home(work / "home").models)
    version = book.find(NAME).version
    adapter = book.paths(version).adapter
    assert adapter is not None, "the recipe trains an adapter"
    SHIPPED.mkdir(exist_ok=True)
    write_atomically(SHIPPED / "adapter.gguf", adapter.read_bytes())
    write_atomically(SHIPPED / "card.json", card.read_bytes())
    print(f"{SHIPPED / 'adapter.gguf'}: {adapter.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
