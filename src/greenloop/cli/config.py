"""``greenloop.toml``: every setting, typed, with its unit and its default.

``docs/configuration.md`` and the file that ``greenloop init`` writes are made from these classes.
"""

import json
import tomllib
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal, Self, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic.fields import FieldInfo

from greenloop.aid.experiments.settings import ExperimentName, ExperimentSettings
from greenloop.aid.metrics.settings import MetricsSettings
from greenloop.aid.settings import AidSettings, TurnSettings
from greenloop.aid.tools.settings import ServerName, ToolServerSettings
from greenloop.builds.protect import DEFAULT_GLOBS
from greenloop.builds.toolchains.command import CommandConfig
from greenloop.builds.toolchains.dune import DuneConfig
from greenloop.builds.toolchains.ocaml_file import OcamlFileConfig
from greenloop.mining.prompting.distribution import LENGTHS, STYLES
from greenloop.mining.prompting.form import Length, Style
from greenloop.records import InputError, Strategy, Suite

FILE_NAME = "greenloop.toml"
_DAY = 86_400.0
"""Seconds. What waits longer cannot be told from what hangs; the operating system's clocks end at 292 years."""


class Section(BaseModel):
    """One table of ``greenloop.toml``; a key that it does not know is an error, not a typo that is ignored."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True)


class ToolchainKind(StrEnum):
    """Which toolchain judges this repository."""

    AUTO = "auto"
    DUNE = "dune"
    OCAML_FILE = "ocaml_file"
    COMMAND = "command"


class ToolchainSettings(Section):
    """Which toolchain judges this repository, and what an edit may not change."""

    kind: ToolchainKind = ToolchainKind.AUTO
    """`auto` looks at the tree: `dune` where dune files are, `ocaml_file` for loose OCaml files. `command` takes
    the commands of `[command]`."""
    image: str = ""
    """Name of a toolchain image, as `greenloop ces image build` makes them: its compilers and libraries take the
    place of this machine's."""
    read_only: tuple[str, ...] = ()
    """Folders outside the repository that the toolchain needs, such as an opam switch or a virtual environment;
    visible in the sandbox, never writable."""
    protected: tuple[str, ...] = DEFAULT_GLOBS
    """Globs of the files that a model's edit may not change: they are put back before an edit is judged."""


class SandboxSettings(Section):
    """What code under judgement may use. Every stage of every judgement runs in the sandbox."""

    enabled: bool = True
    """Without the sandbox, the repository's and the model's code run with your rights: only for code that you
    trust. Every verdict then says so."""
    memory_mib: int = Field(default=4096, ge=64)
    """MiB of address space for one process."""
    scratch_mib: int = Field(default=2048, ge=16)
    """MiB of files that one judgement may write."""
    output_kib: int = Field(default=4096, ge=16)
    """KiB of output that are kept of one stage."""
    processes: int = Field(default=512, ge=16)
    """How many processes one judgement may have at a time."""


class BuildSettings(Section):
    """How judgements are made."""

    suite: Suite = Suite.CHECK
    """How far a judgement goes: `check` parses and type-checks, `build` also builds, `test` also runs the
    tests."""
    workers: int = Field(default=2, ge=1, le=256)
    """How many trees are judged at a time."""


class ModelSettings(Section):
    """The language model that makes candidates."""

    name: str = "default"
    """`default` is what `greenloop models use` chose, else `local`, the embedded SmolLM2-135M with
    the adapter for OCaml that Greenloop brings; `smollm2` is it without the adapter; `own:NAME` is one of
    `greenloop models list`; `local:/path/to/model.gguf`, with `+/path/to/adapter.gguf` after it for a LoRA;
    `openai:MODEL@URL` for any OpenAI-compatible server; `scripted:FILE` for tests."""
    api_key_variable: str = "OPENAI_API_KEY"
    """The environment variable that holds the server's key; the key itself never stands in a file."""
    timeout_seconds: float = Field(default=120.0, gt=0, le=_DAY)
    """Seconds to wait for a server's answer."""
    threads: int = Field(default=1, ge=1)
    """Threads of the local model. More than one lose against builds on the same cores."""
    temperature: float = Field(default=0.8, ge=0.0, le=2.0)
    """Sampling temperature of the candidates after the first; the first is always greedy."""
    max_tokens: int = Field(default=256, ge=16)
    """Tokens of one reply, at most."""
    weighed: int = Field(default=0, ge=0, le=256)
    """How many fixes, whoever made them, a trained local model compares to say which one is meant, a third of a second
    each; 0: none. Of the shipped model it put one more in 26 first, so it is not asked."""
    candidates: int = Field(default=4, ge=1, le=256)
    """How many candidates are taken from the model."""
    fallbacks: tuple[str, ...] = ()
    """Models that are asked, one after another, when the one before gives no usable answer; named as `name` is."""
    retries: int = Field(default=2, ge=0, le=10)
    """Further attempts when a server is busy (429), fails (5xx) or cannot be reached, with growing pauses."""
    first_byte_seconds: float = Field(default=120.0, gt=0, le=_DAY)
    """Seconds to wait for the beginning of a streamed answer, attempts included."""
    idle_seconds: float = Field(default=60.0, gt=0, le=_DAY)
    """Seconds to wait between two pieces of a streamed answer."""
    total_seconds: float = Field(default=600.0, gt=0, le=_DAY)
    """Seconds of the longest streamed answer."""
    max_reply_mib: int = Field(default=4, ge=1, le=1024)
    """MiB of the largest reply, hidden thoughts included."""
    thought_tokens: int = Field(default=0, ge=0)
    """Tokens that a reasoning model may think before it answers, beside `max_tokens`; 0: they count among these."""
    per_minute: int = Field(default=0, ge=0)
    """Requests that the sidecar begins within a minute, of each model; more wait. 0: no bound."""
    at_once: int = Field(default=0, ge=0)
    """Requests that the sidecar makes of each model at the same time; more wait. 0: no bound."""


class SearchSettings(Section):
    """The search for a fix among edits of a few tokens, which needs no model: see docs/search.md."""

    enabled: bool = True
    """Whether `greenloop fix` and `ask` search beside asking the model."""
    max_checks: int = Field(default=60, ge=1, le=10_000)
    """How many edits are judged at most, for one question."""
    enough: int = Field(default=1, ge=1)
    """The search ends with the batch in which it has found so many fixes: the likeliest come first."""


class StepSettings(Section):
    """One step of a recipe of ``[context.recipes]``."""

    plugin: str = Field(min_length=1)
    share: float = Field(default=1.0, gt=0, le=1)
    leave: float = Field(default=0.0, ge=0, lt=1)


class ContextSettings(Section):
    """What the model is shown: see docs/context.md."""

    strategy: Strategy = Strategy.EDIT_BLOCKS
    """How a prompt is written. `edit-blocks` explains the form of the reply; `bare-blocks` does not, and is for a
    model that was trained without. `local` and models of the book are asked the way they were trained."""
    budget_tokens: int = Field(default=1200, ge=200)
    """Tokens of context in a prompt, by an estimate that errs on the safe side."""
    recipe: str = "default"
    """Which recipe chooses the context: `default` is what Greenloop's own models are trained on, `wide` is for served
    models with room (4,000 tokens and more), others are those of `recipes`."""
    recipes: dict[str, tuple[StepSettings, ...]] = {}
    """Recipes of your own by name, each a list of steps: `plugin`, the `share` of what is left of the budget that it
    may spend (1), and the share of the whole budget that it has to `leave` (0)."""


class RecordSettings(Section):
    """How the recorder takes snapshots, and how long they are kept."""

    interval_seconds: float = Field(default=20.0, ge=0.2, le=_DAY)
    """Seconds between two looks at the workspace."""
    reconcile_seconds: float = Field(default=600.0, ge=1, le=7 * _DAY)
    """Seconds between two looks at every file, even where none is known to have changed."""
    max_file_bytes: int = Field(default=1_000_000, ge=1)
    """Bytes of the largest file that is recorded; larger ones are counted as skipped."""
    author: str = ""
    """Who is recorded; empty means the user's login name."""
    ignore: tuple[str, ...] = ()
    """Patterns, as in `.gitignore`, of files that are not recorded, beside those that version control ignores."""
    allow_secrets: tuple[str, ...] = ()
    """Globs of files in which nothing is taken for a secret: those with known false alarms."""
    builds: Literal["shadow", "reported", "none"] = "shadow"
    """How it is known whether a snapshot builds: `shadow` checks it in Greenloop's own sandbox, `reported` waits for
    `greenloop report`, `none` does not ask."""
    shadow_max_load: float = Field(default=20.0, ge=0, le=100)
    """Per cent of the time that somebody on this machine waits for a processor, above which shadow checks wait."""
    keep_days: int = Field(default=365, ge=0)
    """Days for which snapshots are kept; 0: for ever."""
    quota_mib: int = Field(default=10_240, ge=0)
    """MiB that the store may take before the oldest snapshots go; 0: no limit."""
    free_space_floor_mib: int = Field(default=1024, ge=0)
    """MiB of free disk below which nothing is recorded."""


class PromptSettings(Section):
    """What the prompts of mined examples look like. Where `greenloop ask` has logged 50 requests, their lengths and
    styles are measured and take the place of `lengths` and `styles`."""

    lengths: dict[Length, int] = dict(LENGTHS)
    """Weights of the lengths of prompts, in words."""
    styles: dict[Style, int] = dict(STYLES)
    """Weights of the styles; `telegraphic` has no order, no article and no pronoun."""
    measure: bool = True
    """Whether logged requests take the place of `lengths` and `styles`."""
    model: str = ""
    """A model that writes descriptions and prompts, named as in `[model]`; every answer is checked by rules, and
    theirs stands where it fails. Empty: rules alone."""
    timeout_seconds: float = Field(default=30.0, gt=0, le=_DAY)
    """Seconds to wait for that model's answer."""
    workers: int = Field(default=4, ge=1, le=64)
    """How many examples it is asked about at a time."""
    most_failures: int = Field(default=5, ge=1)
    """After so many failures in a row it is asked no more, and rules write the rest."""


class MiningSettings(Section):
    """Which episodes become examples."""

    max_changed_lines: int = Field(default=100, ge=1)
    """Changed lines of the largest edit that becomes an example."""
    max_step_lines: int = Field(default=5, ge=1)
    """The same for what is no whole fix: an earlier red of a run, or a step after which a file is still red."""
    max_commit_files: int = Field(default=500, ge=1)
    """Files of the largest commit that is looked at; what changes more is an import or a move of everything."""
    max_commit_lines: int = Field(default=5_000, ge=1)
    """Changed lines of the largest commit that is split; splitting costs builds by the number of pieces."""
    confirmations: int = Field(default=3, ge=1)
    """How often both ends of an example are judged; where the judgements differ it is none."""
    minimise_builds: int = Field(default=64, ge=0)
    """Builds of one example at most, to leave out of it what its error did not ask for; 0: it stays as it was."""
    idle_minutes: float = Field(default=45.0, gt=0)
    """Minutes without a change after which a new line of work begins; no pair reaches across."""
    stable_seconds: float = Field(default=20.0, ge=0)
    """Seconds for which a red state must stand before it counts, unless a build was asked for."""
    max_files_per_tick: int = Field(default=50, ge=1)
    """A tick that changes more files than this is a checkout or a generator, and cuts."""
    prompts: PromptSettings = PromptSettings()
    """The table `[mining.prompts]`."""


class DatasetSettings(Section):
    """What a dataset leaves out."""

    near_duplicate: float = Field(default=0.8, ge=0.3, le=1.0)
    """The Jaccard index, over runs of 5 tokens, from which two texts count as the same; 1: equal runs alone."""
    repeats: Literal["drop", "train"] = "drop"
    """Near-duplicates of a kept example: `drop` leaves them out, `train` lets them train where the split is by author,
    theirs trains, and nothing held out is near them."""


class EvalSettings(Section):
    """What counts as a fix."""

    max_changed_lines: int = Field(default=10, ge=1)
    """A fix that changes more lines than this does not count as one."""


class CesSettings(Section):
    """The code evaluation service, `greenloop ces serve`. Options of the command come first."""

    repositories: tuple[str, ...] = ()
    """Repositories that it serves, `NAME=PATH` each; empty: the one at hand."""
    packs: tuple[str, ...] = ()
    """Tree packs that it serves beside, `NAME=FILE` each."""
    warm: tuple[str, ...] = ()
    """Revisions that are warmed at the start, `NAME@REV` each."""
    socket: str = ""
    """Path of the Unix socket, in a folder that is its owner's alone; empty: `ces/ces.sock` in the home."""
    listen: str = ""
    """`HOST:PORT` to listen on in the place of the socket; needs a token. Without a host it is the loopback."""
    token_file: str = ""
    """A file of bearer tokens, a line `NAME TOKEN` each, which only its owner may read. Clients send its first."""
    token_variable: str = "GREENLOOP_CES_TOKEN"  # noqa: S105 - its name, not its value
    """The environment variable that holds the token where no file is named."""
    workers: int = Field(default=2, ge=1, le=256)
    """How many edits are judged at a time."""
    queue: int = Field(default=256, ge=1)
    """How many requests may wait; one more is told to come back later."""
    checkers: int = Field(default=2, ge=0)
    """How many persistent type checkers are kept (dune 3 and later), as far as `memory_mib` has room for them."""
    memory_mib: int = Field(default=0, ge=0)
    """MiB of memory to reckon with: a GiB for each edit that is judged and each build that is made, the rest for
    persistent type checkers, half a GiB each; 0: three quarters of this machine's."""
    keep: int = Field(default=8, ge=1)
    """How many warm builds are kept."""
    disk_mib: int = Field(default=20_480, ge=64)
    """MiB of disk that all warm builds may take."""
    repeats: int = Field(default=2, ge=1, le=20)
    """How often the tests of a revision are run before edits to it are judged; those that do not agree are flaky."""
    database: str = ""
    """Where verdicts and evaluations are kept, as `postgresql://…`; empty: SQLite in the home."""
    body_mib: int = Field(default=8, ge=1)
    """MiB of the largest request for one evaluation; a batch may be 32 times as large."""
    pack_mib: int = Field(default=256, ge=1)
    """MiB of the largest tree pack."""


class Config(Section):
    """All of ``greenloop.toml``."""

    version: Literal[1] = 1
    """The version of this file's format."""
    toolchain: ToolchainSettings = ToolchainSettings()
    dune: DuneConfig = DuneConfig()
    ocaml_file: OcamlFileConfig = OcamlFileConfig()
    command: CommandConfig | None = None
    sandbox: SandboxSettings = SandboxSettings()
    build: BuildSettings = BuildSettings()
    model: ModelSettings = ModelSettings()
    search: SearchSettings = SearchSettings()
    turn: TurnSettings = TurnSettings()
    context: ContextSettings = ContextSettings()
    record: RecordSettings = RecordSettings()
    mining: MiningSettings = MiningSettings()
    dataset: DatasetSettings = DatasetSettings()
    eval: EvalSettings = EvalSettings()
    ces: CesSettings = CesSettings()
    aid: AidSettings = AidSettings()
    metrics: MetricsSettings = MetricsSettings()
    tools: dict[ServerName, ToolServerSettings] = Field(default_factory=dict)
    """The tables `[tools.NAME]`."""
    experiments: dict[ExperimentName, ExperimentSettings] = Field(default_factory=dict)
    """The tables `[experiments.NAME]`."""

    @model_validator(mode="after")
    def _commands_are_there(self) -> Self:
        if self.toolchain.kind is ToolchainKind.COMMAND and self.command is None:
            raise ValueError('toolchain.kind = "command" needs a table [command] with at least `check`')
        return self


def sections() -> dict[str, type[BaseModel]]:
    """Return the tables of the file, name → class, in order; a table in a table follows it as ``outer.inner``.

    Tables whose names a team chooses stand there as ``outer.NAME``.
    """
    return _tables("", Config)


def _tables(above: str, owner: type[BaseModel]) -> dict[str, type[BaseModel]]:
    found: dict[str, type[BaseModel]] = {}
    for name, field in owner.model_fields.items():
        if (table := _table(field)) is not None:
            path = f"{above}{name}{'.NAME' if get_origin(field.annotation) is dict else ''}"
            found |= {path: table, **_tables(f"{path}.", table)}
    return found


def keys(table: type[BaseModel]) -> dict[str, FieldInfo]:
    """Return the settings of a table, without the tables in it."""
    return {key: field for key, field in table.model_fields.items() if _table(field) is None}


def _table(field: FieldInfo) -> type[BaseModel] | None:
    candidates = (field.annotation, *get_args(field.annotation))
    return next((one for one in candidates if isinstance(one, type) and issubclass(one, BaseModel)), None)


def find(start: Path) -> Path | None:
    """Return the nearest ``greenloop.toml`` in ``start`` or a folder above it, or ``None``."""
    for folder in (start, *start.parents):
        candidate = folder / FILE_NAME
        if candidate.is_file():
            return candidate
    return None


def read(path: Path) -> Config:
    """Read a ``greenloop.toml``. Raises ``InputError`` that names the key and what is wrong with it."""
    try:
        data: dict[str, Any] = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text (byte {error.start})") from error
    except (ValueError, RecursionError) as error:
        # beside what is no TOML: numbers of thousands of digits, thousands of brackets
        raise InputError(f"{path}: not TOML: {error}", "`greenloop init` writes a fresh one beside it") from error
    try:
        # strict as JSON is: `true` and "5" are no numbers; dates, of which there is no setting, are of no kind at all
        return Config.model_validate_json(json.dumps(data, default=lambda value: {str(value): None}), strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(step) for step in first["loc"]) or "file"
        reason = "no such setting" if first["type"] == "extra_forbidden" else first["msg"].removeprefix("Value error, ")
        raise InputError(f"{path}: {where}: {reason}", "docs/configuration.md lists every setting") from error
