"""The run that training goes on from: a folder, or the adapter that Greenloop brings, made a folder again."""

from pathlib import Path

from greenloop.models import shipped
from greenloop.models.conversion.restore import restore_adapter
from greenloop.models.local import find_smollm2
from greenloop.storage import sha256_of
from greenloop.training.base_model import made_once
from greenloop.training.recipe import SHIPPED
from greenloop.training.run_folder import RunFolder


def find_parent(run: str, cache: Path) -> RunFolder:
    """Return the run that a recipe names by ``[base] run``; what has to be made of it is kept in ``cache``."""
    if run != SHIPPED:
        return RunFolder(Path(run))

    def make(folder: Path) -> None:
        made = RunFolder(folder)
        restore_adapter(shipped.ADAPTER, find_smollm2(), made.adapter, name=shipped.BASE)
        made.card.write_bytes(shipped.CARD.read_bytes())

    return RunFolder(made_once(cache / sha256_of(shipped.ADAPTER), make))
