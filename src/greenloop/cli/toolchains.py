"""From settings to a judge: which toolchain, which sandbox, how many workers."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from greenloop.builds import images
from greenloop.builds.behaviour import Programs
from greenloop.builds.checker import Checkers
from greenloop.builds.engine import Engine
from greenloop.builds.sandbox import Bubblewrap, Limits, Sandbox, Unsandboxed
from greenloop.builds.toolchain import Toolchain
from greenloop.builds.toolchains import ToolchainName, detect
from greenloop.builds.toolchains.command import CommandToolchain
from greenloop.builds.toolchains.dune import Dune
from greenloop.builds.toolchains.ocaml_file import OcamlFile
from greenloop.cli.app import App
from greenloop.cli.config import Config, ToolchainKind
from greenloop.cli.console import err
from greenloop.cli.home import Home
from greenloop.records import InputError, Suite, TreeId, Workspace

if TYPE_CHECKING:
    from greenloop.builds.behaviour_store import Behaviours
    from greenloop.builds.verdicts import VerdictStore  # SQLAlchemy is loaded where there are verdicts to keep


@dataclass(frozen=True)
class Bench:
    """A judge, the toolchain behind it, and the suite that the settings ask for, as far as the toolchain has it."""

    engine: Engine
    toolchain: ToolchainName
    suite: Suite
    checkers: Checkers | None = None
    """The persistent checkers of its toolchain; the engine closes them."""
    image: images.Image | None = None
    """The toolchain image that it judges with; held, so that nobody replaces it meanwhile."""


def toolchain_name(home: Home, settings: Config, tree: TreeId) -> ToolchainName:
    """Return the toolchain for ``tree``: the one that is set, else the one that its files ask for."""
    match settings.toolchain.kind:
        case ToolchainKind.AUTO:
            return detect(home.trees, tree)
        case ToolchainKind.DUNE:
            return "dune"
        case ToolchainKind.OCAML_FILE:
            return "ocaml_file"
        case ToolchainKind.COMMAND:
            return "command"


def bench(
    home: Home,
    settings: Config,
    name: ToolchainName,
    *,
    verdicts: "VerdictStore | None" = None,
    widest: bool = False,
    spare: int = 0,
    checkers: int = 0,
) -> Bench:
    """Build the judge for the toolchain ``name``.

    What a service adds to it: ``verdicts`` kept elsewhere than in the home; ``widest`` takes the toolchain's largest
    suite in the place of ``build.suite``; ``spare`` sandboxes wait in advance; up to ``checkers`` persistent checkers
    answer for the types. Whoever asks for the last two closes the engine.

    Raises ``EnvironmentFault`` when a compiler or a layer of the sandbox is missing.
    """
    image = _image(home, settings)
    sandbox = _sandbox(settings, image, spare)
    kept = Checkers(sandbox, home.trees, keep=checkers) if checkers and name == "dune" else None
    toolchain = _toolchain(settings, name, image, kept)
    suite = max(toolchain.suites, key=tuple(Suite).index) if widest else settings.build.suite
    if suite not in toolchain.suites:
        can = ", ".join(sorted(one.value for one in toolchain.suites))
        raise InputError(f"the toolchain {name} has no suite {suite.value!r}", f"set build.suite to one of: {can}")
    engine = Engine(
        store=home.trees,
        verdicts=verdicts if verdicts is not None else home.verdicts,
        toolchain=toolchain,
        sandbox=sandbox,
        scratch=home.path,
        workers=settings.build.workers,
    )
    return Bench(engine, name, suite, kept, image)


def behaviours(home: Home, settings: Config, judge: Bench) -> "Behaviours":
    """Return what runs programs of one file, with the image of ``judge``; what they did is kept in the home.

    Raises ``EnvironmentFault`` when the OCaml top level or a layer of the sandbox is missing.
    """
    from greenloop.builds.behaviour_store import Behaviours, BehaviourStore  # SQLAlchemy, see above

    root = judge.image.root if judge.image is not None else None
    programs = Programs(home.trees, _sandbox(settings, judge.image, 0), home.path, root=root)
    return Behaviours(programs, BehaviourStore(home.path / "behaviours.db"))


def judge_for(app: App, workspace: Workspace) -> Bench:
    """Build the judge for the trees of one recorded workspace, by its newest snapshot."""
    last = app.home.snapshots.last(workspace.id)
    if last is None:
        raise InputError(f"{workspace.id} holds no snapshot")
    settings = app.settings(Path())
    return bench(app.home, settings, toolchain_name(app.home, settings, last.tree))


def _image(home: Home, settings: Config) -> images.Image | None:
    if not settings.toolchain.image:
        return None
    if not settings.sandbox.enabled:
        raise InputError(
            "a toolchain image is only to be had in the sandbox, which is off",
            "take `toolchain.image` out of greenloop.toml, or set `sandbox.enabled = true`",
        )
    return images.open(home.images, settings.toolchain.image)


def _toolchain(
    settings: Config, name: ToolchainName, image: images.Image | None, checkers: Checkers | None
) -> Toolchain:
    root = image.root if image is not None else None
    if name == "dune":
        return Dune(settings.dune, root=root, checkers=checkers)
    if name == "ocaml_file":
        return OcamlFile(settings.ocaml_file, root=root)
    if settings.command is None:
        raise InputError("the toolchain `command` has no commands", "add a table [command] to greenloop.toml")
    if not settings.command.check:
        # as `greenloop init` leaves it where it recognises nothing: an empty command would call every tree green
        raise InputError("command.check in greenloop.toml is empty", 'name what checks the code: check = "make check"')
    return CommandToolchain(settings.command, root=root)


def _sandbox(settings: Config, image: images.Image | None, spare: int) -> Sandbox:
    wanted = settings.sandbox
    limits = Limits(
        memory_mib=wanted.memory_mib,
        output_kib=wanted.output_kib,
        scratch_mib=wanted.scratch_mib,
        processes=wanted.processes,
    )
    if wanted.enabled:
        folders = (*settings.toolchain.read_only, *(settings.command.read_only if settings.command else ()))
        read_only = tuple(Path(folder).expanduser() for folder in dict.fromkeys(folders))
        root = image.root if image is not None else None
        return Bubblewrap(limits=limits, read_only=read_only, root=root, spare=spare)
    err.print("[bold red]greenloop: the sandbox is off[/]: code under judgement runs with your rights")
    return Unsandboxed(limits=limits)
