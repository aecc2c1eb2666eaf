"""What the sidecar's workspaces and turns are equipped with, from settings and home; read anew for each turn."""

import getpass
import threading
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from greenloop.aid.experiments.assign import Choice, Experiments
from greenloop.aid.trust import Trust
from greenloop.aid.workspaces.equipment import Build, Strategy
from greenloop.builds.stop import Stop
from greenloop.candidates.examine import Rules
from greenloop.cli import config, contexts
from greenloop.cli.aid_place import own_settings
from greenloop.cli.app import App
from greenloop.cli.config import Config
from greenloop.cli.desks import enrolments
from greenloop.cli.toolchains import bench, toolchain_name
from greenloop.cli.turns import (
    asking_of,
    beside_the_model,
    model_settings,
    project_root,
    sampling,
    searches,
)
from greenloop.models import registry
from greenloop.models.book import Book
from greenloop.models.registry import ModelSettings, open_models
from greenloop.models.seam import Model
from greenloop.prompts.listing import listing
from greenloop.prompts.recipes import DEFAULT
from greenloop.prompts.retrieval.in_memory import MAX_FILES_READ
from greenloop.prompts.retrieval.on_disk import OnDisk
from greenloop.records import Cancelled, GreenloopError, Suite, TreeId
from greenloop.records import Strategy as Prompting
from greenloop.snapshots.secrets import Screen, scan
from greenloop.workspace.store import TreeStore
from greenloop.workspace.vcs import WorkingCopy, detect

_BATCH_TOKENS = 16
"""A local model reads its prompt in such pieces, so that a cancelled turn does not keep it for seconds."""
_SPARE = 2
"""So many sandboxes of a workspace wait in advance, some 2 MiB each: one for what is asked about, one for an answer."""
_MODELS = 3
"""So many models are kept open; the one that was asked for longest ago is closed."""


class HomeEquipment:
    """An ``Equipment``. Close it when the sidecar ends.

    A workspace's own ``greenloop.toml`` counts once the workspace is trusted: it could name somebody else's server, and
    any environment variable as the key that is sent there. Until then the sidecar's own settings hold.
    """

    def __init__(self, app: App, trust: Trust) -> None:
        self._app = app
        self._trust = trust
        self._lock = threading.Lock()
        self._models: OrderedDict[tuple[tuple[str, ...], ModelSettings, str], Model] = OrderedDict()
        self._indexes: dict[Path, _Following] = {}

    @property
    def store(self) -> TreeStore:
        """The home's tree store."""
        return self._app.home.trees

    def root_of(self, path: Path) -> Path:
        """Return the nearest folder upwards with a ``greenloop.toml``, but never above the repository.

        Without version control it is the outermost one with a ``dune-project``, where no ``greenloop.toml`` is found.
        """
        folder = path if path.is_dir() else path.parent
        if detect(folder).vcs != "plain":
            return project_root(folder)
        settings = config.find(folder.resolve())
        if settings is not None:
            return settings.parent
        marked = [at for at in (folder, *folder.parents) if (at / "dune-project").is_file()]
        return marked[-1] if marked else folder

    def working_copy(self, root: Path, cache: Path) -> WorkingCopy:
        """Return what reads the files below ``root``, without secrets and without what is too large."""
        settings = self._settings(root)
        screen = Screen(allowed=settings.record.allow_secrets)
        return WorkingCopy(root, self.store, cache, max_file_bytes=settings.record.max_file_bytes, screen=screen)

    def screen(self, root: Path) -> Screen | None:
        """Return the screen for secrets that the workspace's settings ask for."""
        return Screen(allowed=self._settings(root).record.allow_secrets)

    def moved(self, root: Path, tree: TreeId) -> None:
        """Have the index follow, in the background."""
        with self._lock:
            following = self._indexes.get(root)
            if following is None:
                following = self._indexes[root] = _Following(OnDisk(self._app.home.index(root), self.store), self.store)
        following.follow(tree)

    def build(self, root: Path, tree: TreeId) -> Build:
        """Return the judge that the workspace's settings ask for."""
        settings = self._settings(root)
        name = toolchain_name(self._app.home, settings, tree)
        made = bench(self._app.home, settings, name, checkers=settings.turn.checkers, spare=_SPARE)
        rules = Rules(
            suite=made.suite,
            max_changed_lines=settings.turn.max_changed_lines,
            protected=settings.toolchain.protected,
        )
        confirm = Suite.TEST if settings.turn.tests else None
        return Build(made.engine, name, rules, confirm, made.engine.close)

    def strategy(self, root: Path, *, task: str) -> Strategy:
        """Return what the settings, and the arms of experiments, ask for now.

        Raises ``InputError`` when they name what is not there.
        """
        settings = self._settings(root)
        choice = Experiments(settings.experiments).choose(settings.record.author or getpass.getuser(), task)
        settings = _chosen(settings, choice)
        model = self._model(settings)
        models = model_settings(settings, self._app.home)
        # a trained model knows no recipe but the one that it was trained with
        trained = registry.asking_of(settings.model.name, models)
        asking = asking_of(settings, trained)
        with self._lock:
            following = self._indexes.get(root)
        return Strategy(
            name=settings.context.recipe,
            model=model,
            sampling=sampling(settings, None),
            budget_tokens=asking.budget_tokens,
            asking=asking.strategy,
            recipe=DEFAULT if trained is not None else contexts.recipe(settings.context),
            index=following.index if following is not None else None,
            sources=beside_the_model(),
            searches=searches(settings),
            arms=choice.arms,
            repair_rounds=settings.turn.repair_rounds,
            repair_seconds=settings.turn.repair_seconds,
            tool_rounds=settings.turn.tool_rounds,
        )

    def recorded_as(self, root: Path) -> str:
        """Return the name of the recorder's workspace, if the folder was enrolled."""
        desk = next((one for one in enrolments(self._app).desks() if Path(one.enrolment.root) == root), None)
        return desk.enrolment.workspace.id if desk is not None else ""

    def may_keep(self, words: str) -> bool:
        """Say whether nothing in the words looks like a secret."""
        return not scan(words.encode("utf-8", "replace"))

    def _settings(self, root: Path) -> Config:
        return self._app.settings(root) if self._trust.trusts(root) else own_settings(self._app)

    def close(self) -> None:
        """Close the models, and end following."""
        with self._lock:
            models, indexes = list(self._models.values()), list(self._indexes.values())
            self._models.clear()
            self._indexes.clear()
        for following in indexes:
            following.close()
        for model in models:
            model.close()

    def _model(self, settings: Config) -> Model:
        """Return the model, opened once for the same names and settings; another one where the default has changed."""
        names = (settings.model.name, *settings.model.fallbacks)
        wanted = replace(model_settings(settings, self._app.home), batch_tokens=_BATCH_TOKENS)
        key = (names, wanted, _default(wanted) if "default" in names else "")
        with self._lock:
            found = self._models.get(key)
            if found is None:
                found = self._models[key] = open_models(names, wanted)
            self._models.move_to_end(key)
            old = [self._models.pop(next(iter(self._models))) for _ in range(len(self._models) - _MODELS)]
        for model in old:
            model.close()
        return found


def _chosen(settings: Config, choice: Choice) -> Config:
    """Return the settings with what an arm says in the place of theirs."""
    model, context = settings.model, settings.context
    if choice.model:
        model = model.model_copy(update={"name": choice.model})
    if choice.strategy:
        context = context.model_copy(update={"strategy": Prompting(choice.strategy)})
    if choice.context:
        context = context.model_copy(update={"recipe": choice.context})
    return settings.model_copy(update={"model": model, "context": context})


def _default(settings: ModelSettings) -> str:
    return Book(settings.book).current() if settings.book is not None else ""


class _Following:
    """The index of one repository, which follows the newest tree; small trees need none."""

    def __init__(self, made: OnDisk, store: TreeStore) -> None:
        self._made = made
        self._store = store
        self._lock = threading.Lock()
        self._stop: Stop | None = None
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="greenloop-index")
        self._used = False

    @property
    def index(self) -> OnDisk | None:
        """The index, where the tree is large enough for one."""
        return self._made if self._used else None

    def follow(self, tree: TreeId) -> None:
        """Follow a tree, in the place of an older one that is not done."""
        with self._lock:
            if self._stop is not None:
                self._stop.request()
        self._pool.submit(self._follow, tree)

    def close(self) -> None:
        """End it, and wait for that."""
        with self._lock:
            if self._stop is not None:
                self._stop.request()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _follow(self, tree: TreeId) -> None:
        if len(listing(self._store, tree).entries) <= MAX_FILES_READ:
            self._used = False
            return
        with Stop() as stop:
            with self._lock:
                self._stop = stop
            try:
                self._used = True
                self._made.follow(tree, stop)
            except Cancelled:
                return
            except GreenloopError:
                # the search reads the tree itself where the index is not to be had
                self._used = False
            finally:
                with self._lock:
                    self._stop = None
