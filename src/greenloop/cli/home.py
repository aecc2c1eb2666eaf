"""Greenloop's home on this machine: where trees, histories, verdicts and warm builds lie.

    HOME/objects.git     the tree store, and in it the journal of every workspace
    HOME/snapshots.db    the index of the journal (SQLite, WAL); made again when it is missing
    HOME/greenloop.db    verdicts (SQLite, WAL)
    HOME/behaviours.db   how programs behaved, as digests (SQLite, WAL); may be deleted at any time
    HOME/feedback.jsonl  what was asked for, shown, accepted, refused
    HOME/funnel.db       every step of every turn, in numbers and labels (SQLite, WAL); may be deleted at any time
    HOME/prompts.jsonl   answers of the model that writes prompts of examples; may be deleted at any time
    HOME/recorder/       a folder for each recorded one (``snapshots.enrolment``)
    HOME/audit.jsonl     who turned recording on, looked away, purged, exported, pushed
    HOME/pseudonyms.key, HOME/writer  what people are called in exports, and this home where it pushes to
    HOME/scratch/        of exports and pushes that run
    HOME/warm/           warm builds; may be deleted at any time
    HOME/indexes/        what is searched for the context of a question; may be deleted at any time
    HOME/images/         toolchain images
    HOME/models/         the book of models: what was trained, how it scored, and which is the default
    HOME/models/bases/   base models made of GGUF files for training; may be deleted at any time
    HOME/evals/          a folder for each file of sessions that models were scored on: a home of its own
    HOME/aid/            the sidecar's own: its lock, its card, its logs (``aid.door.place``)
    HOME/greenloop.toml  settings of the sidecar itself, ``[aid]``; those of a repository stand in the repository
    HOME/tools/          which domain tools a person has looked at (`pins.json`), and what their servers logged
    HOME/ces/            the evaluation service's own: its socket, its lock, finished evaluations, the list of builds

``HOME`` is ``--home``, else ``$GREENLOOP_HOME``, else the platform's data folder for users. The sidecar's socket lies
in ``$XDG_RUNTIME_DIR/greenloop/``, in a folder named after the home, where there is such a place for this user; else
in ``HOME/aid/``.

What every home of a user makes alike, and can make again, lies in the platform's folder for caches:

    CACHE/merged/        the embedded model with an adapter, as one file (``models.merged``)
"""

import os
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs

from greenloop.feedback.log import FeedbackLog
from greenloop.snapshots.store import SnapshotStore
from greenloop.workspace.store import TreeStore

if TYPE_CHECKING:
    from greenloop.builds.verdicts import VerdictStore
    from greenloop.feedback.funnel import Funnel


@dataclass(frozen=True)
class Home:
    """The stores of one home, each opened when first asked for."""

    path: Path

    @classmethod
    def locate(cls, given: Path | None) -> "Home":
        """Find the home: as given, else by the environment, else the platform's place."""
        if given is not None:
            return cls(given.absolute())
        named = os.environ.get("GREENLOOP_HOME")
        return cls(Path(named).absolute() if named else platformdirs.user_data_path("greenloop"))

    @property
    def images(self) -> Path:
        """Where toolchain images lie."""
        return self.path / "images"

    def index(self, root: Path) -> Path:
        """Where the index of the repository at ``root`` lies."""
        return self.path / "indexes" / sha256(os.fsencode(root.resolve())).hexdigest()[:16]

    @property
    def ces(self) -> Path:
        """Where the evaluation service keeps its own."""
        return self.path / "ces"

    @property
    def aid(self) -> Path:
        """Where the sidecar keeps its own."""
        return self.path / "aid"

    @property
    def runtime(self) -> Path:
        """Where the sidecar's socket goes when one is started."""
        given = os.environ.get("XDG_RUNTIME_DIR", "")
        folder = Path(given)
        if not folder.is_absolute() or not folder.is_dir() or folder.stat().st_uid != os.geteuid():
            return self.aid
        return folder / "greenloop" / sha256(os.fsencode(self.path)).hexdigest()[:12]

    @property
    def tools(self) -> Path:
        """Where the pins of domain tools lie, and the logs of their servers."""
        return self.path / "tools"

    @property
    def bases(self) -> Path:
        """Where base models made of GGUF files are kept."""
        return self.path / "models" / "bases"

    @property
    def models(self) -> Path:
        """Where the book of models is kept."""
        return self.path / "models"

    @property
    def cache(self) -> Path:
        """Where this user's homes keep what is the same for all of them and can be made again."""
        return platformdirs.user_cache_path("greenloop")

    @property
    def prompts(self) -> Path:
        """Where answers of the model that writes prompts are kept."""
        return self.path / "prompts.jsonl"

    @cached_property
    def trees(self) -> TreeStore:
        """The tree store."""
        return TreeStore(self.path / "objects.git")

    @cached_property
    def snapshots(self) -> SnapshotStore:
        """The histories."""
        return SnapshotStore(self.path / "snapshots.db", self.trees, old=self.path / "greenloop.db")

    @cached_property
    def verdicts(self) -> "VerdictStore":
        """The stored verdicts."""
        # SQLAlchemy is 0.2 s and 20 MiB that a recorder for months, and most commands, do without
        from greenloop.builds.verdicts import VerdictStore

        return VerdictStore(self.path / "greenloop.db")

    @cached_property
    def feedback(self) -> FeedbackLog:
        """The log of what became of suggestions."""
        return FeedbackLog(self.path / "feedback.jsonl")

    @cached_property
    def funnel(self) -> "Funnel":
        """The steps of turns, for statistics."""
        # SQLAlchemy again
        from greenloop.feedback.funnel import Funnel

        return Funnel(self.path / "funnel.db")
