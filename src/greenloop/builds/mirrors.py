"""Where this machine gets Debian from: read from its own apt settings, so that no host name stands in Greenloop.

apt itself reads the settings, in whichever format they are (``sources.list``, ``*.sources``); we only choose among
what it found, and put another suite in the place of the machine's own.
"""

import platform
import subprocess
from collections.abc import Sequence
from pathlib import Path

from greenloop.records import EnvironmentFault

MIRROR_WAY_OUT = 'name a mirror: --mirror "deb URL SUITE main"'

_FIELDS = ("$(TARGET_OF)", "$(ORIGIN)", "$(RELEASE)", "$(REPO_URI)", "$(COMPONENT)")
_POCKETS = ("", "-updates", "-security")
"""The parts of a release that are of the same packages; backports and proposed updates are not."""
_ROLLING = frozenset({"sid", "unstable", "experimental"})
"""Suites without updates or security of their own."""
_ALIASES = frozenset({"oldstable", "stable", "testing", "unstable", "sid"})


def debian_lines(suite: str, apt_options: Sequence[str] = ()) -> tuple[str, ...]:
    """Return the machine's Debian sources as ``deb URL SUITE COMPONENT`` lines, with ``suite`` in place of its own.

    ``apt_options`` go to apt as they are. Only the component ``main`` is used. Sources of others than Debian are
    left out: by their origin, where apt has fetched it, else by a suite that is not this machine's own.
    Raises ``EnvironmentFault`` where there is no apt, or no Debian source in its settings.
    """
    known = {(release, uri): origin for _, origin, release, uri, _ in _targets(apt_options, ()) if origin}
    system = platform.freedesktop_os_release()
    own = system.get("VERSION_CODENAME", "") if system.get("ID") == "debian" else ""
    lines = []
    for kind, _, release, uri, component in _targets(apt_options, ("--no-release-info",)):
        base, pocket = _split(release)
        origin = known.get((release, uri))
        debian = origin == "Debian" if origin is not None else base in {own, *_ALIASES} - {""}
        wanted = kind == "deb" and component == "main" and pocket in _POCKETS and debian
        if wanted and not (pocket and suite in _ROLLING):
            lines.append(f"deb {uri} {suite}{pocket} main")
    if not lines:
        raise EnvironmentFault("apt's settings on this machine name no source of Debian packages", MIRROR_WAY_OUT)
    # the release itself first: apt takes what the others bring newer
    return tuple(sorted(dict.fromkeys(lines), key=lambda line: (not line.endswith(f" {suite} main"), line)))


def proxies(apt_options: Sequence[str] = ()) -> tuple[str, ...]:
    """Return apt's settings of proxies on this machine, as ``NAME "VALUE"``; they may hold a password."""
    text = _ask(["apt-config", *apt_options, "dump", "--no-empty", "--format", '%f "%v"%n', "Acquire"])
    return tuple(line for line in text.splitlines() if "::proxy" in line.lower() and line.lower().startswith("acq"))


def _split(release: str) -> tuple[str, str]:
    base, dash, pocket = release.partition("-")
    return base, dash + pocket


def _targets(apt_options: Sequence[str], more: Sequence[str]) -> list[tuple[str, ...]]:
    """Ask apt for all index files of its sources; a field that it does not know stays empty."""
    text = _ask(["apt-get", *apt_options, *more, "indextargets", "--format", "|".join(_FIELDS)])
    rows = [line.split("|") for line in text.splitlines()]
    return [
        tuple("" if value == field else value for value, field in zip(row, _FIELDS, strict=True))
        for row in rows
        if len(row) == len(_FIELDS)
    ]


def _ask(argv: Sequence[str]) -> str:
    try:
        done = subprocess.run(argv, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, timeout=60)
    except FileNotFoundError as error:
        raise EnvironmentFault(f"{Path(argv[0]).name} is not here: this is no Debian system", MIRROR_WAY_OUT) from error
    except subprocess.TimeoutExpired as error:
        raise EnvironmentFault(f"{Path(argv[0]).name} did not answer within a minute", MIRROR_WAY_OUT) from error
    if done.returncode != 0:
        raise EnvironmentFault(f"apt cannot read its settings: {done.stderr.strip()[-500:]}", MIRROR_WAY_OUT)
    return done.stdout
