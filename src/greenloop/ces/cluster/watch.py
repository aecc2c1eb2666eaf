"""Watching over the actors: one on every node, started again when it dies, gone with its node."""

import math
import threading
import time
from collections.abc import Iterable, Mapping
from urllib.parse import quote

import ray

from greenloop.ces.cluster.bench import MakeBench
from greenloop.ces.cluster.messages import Opened, Trouble
from greenloop.ces.cluster.seat import Phase, Seat, opened
from greenloop.ces.cluster.terms import Tally, Terms
from greenloop.records import WarmBuild

_LOOK_SECONDS = 0.05
_COUNT_SECONDS = 0.5
"""Between two looks at the list of nodes."""
_ASK_SECONDS = 1.0
"""Between two questions for an actor's state; while it makes builds that somebody may wait for, much less."""
_ASK_SOON_SECONDS = 0.1
_SILENCE_SECONDS = 60.0
"""An actor that does not answer for so long is ended: its node may be frozen."""
_REST_SECONDS = 0.5
"""Before an actor that died is started again; twice as long after each further death, up to a minute."""


class Watch:
    """A thread that keeps ``seats`` (by node name) as they should be; ``changed`` is their lock."""

    def __init__(
        self,
        make: MakeBench,
        seats: dict[str, Seat],
        changed: threading.Condition,
        tally: Tally,
        *,
        fingerprint: str,
        terms: Terms,
    ) -> None:
        self._make, self._seats, self._changed, self._tally = make, seats, changed, tally
        self._fingerprint, self._terms = fingerprint, terms
        self._ended = threading.Event()
        self._nodes: dict[str, tuple[str, float]] = {}
        self._counted = -math.inf
        self._thread = threading.Thread(target=self._run, name="ces-watch", daemon=True)

    def start(self) -> None:
        """Look once, then keep looking."""
        self._look()
        self._thread.start()

    def close(self) -> None:
        """Look no more."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()

    def lose(self, seat: Seat, reason: str) -> None:
        """Take an actor for dead, and make sure of it; another one is started in its place."""
        with self._changed:
            if seat.phase in (Phase.DOWN, Phase.REFUSED):
                return
            self._fall(seat, reason)
        seat.kill()

    def refuse(self, seat: Seat, reason: str) -> None:
        """Have nothing more judged by an actor that must not."""
        with self._changed:
            seat.phase, seat.reason, seat.builds = Phase.REFUSED, reason, ()
            self._changed.notify_all()
        seat.kill()

    def _run(self) -> None:
        while not self._ended.wait(_LOOK_SECONDS):
            self._look()

    def _look(self) -> None:
        if time.monotonic() - self._counted > _COUNT_SECONDS:
            self._nodes, self._counted = alive(ray.nodes()), time.monotonic()  # type: ignore[no-untyped-call]
        nodes = self._nodes
        with self._changed:
            seats = dict(self._seats)
        for name, seat in seats.items():
            if nodes.get(name, (None, 0))[0] != seat.node:
                self._drop(name, seat)
            else:
                self._attend(seat)
        for name, (node, cpus) in nodes.items():
            with self._changed:
                missing = name not in self._seats
            if missing:
                self._seat(name, node, cpus)

    def _seat(self, name: str, node: str, cpus: float) -> None:
        slots = max(1, min(self._terms.slots, math.floor(cpus)))
        folder = self._terms.folder / quote(name, safe="")
        seat = Seat(name, node, self._make, str(folder), slots=slots, cpus=min(cpus, slots))
        seat.launch()
        with self._changed:
            self._seats[name] = seat
            self._changed.notify_all()

    def _drop(self, name: str, seat: Seat) -> None:
        """Its node is gone."""
        with self._changed:
            self._fall(seat, "its node is gone")
            if self._seats.get(name) is seat:
                del self._seats[name]
        seat.kill()

    def _attend(self, seat: Seat) -> None:
        if seat.phase is Phase.OPENING and seat.opened is not None and seat.opened.done():
            self._receive(seat, opened(seat.opened))
        elif seat.phase is Phase.LIVE:
            self._question(seat)
        elif seat.phase is Phase.DOWN and time.monotonic() >= seat.not_before:
            seat.launch()

    def _receive(self, seat: Seat, said: Opened | Trouble) -> None:
        """An actor has opened, or could not."""
        with self._changed:
            if isinstance(said, Opened) and said.fingerprint == self._fingerprint:
                seat.phase, seat.reason = Phase.LIVE, ""
                seat.builds = _builds(said)
            elif isinstance(said, Opened):
                # two toolchains under one service would give two answers to one question
                seat.phase, seat.reason = (
                    Phase.REFUSED,
                    "its tools are not the head's: install the same",
                )
            elif said.kind == "Died":
                self._fall(seat, said.message)
            else:
                seat.phase, seat.reason = Phase.REFUSED, said.message
            refused = seat.phase is Phase.REFUSED
            self._changed.notify_all()
        if refused:
            seat.kill()

    def _question(self, seat: Seat) -> None:
        asked = seat.asked
        if asked is None:
            if time.monotonic() - seat.asked_at > (_ASK_SOON_SECONDS if seat.making else _ASK_SECONDS):
                seat.ask()
        elif asked.done():
            said = opened(asked)
            seat.asked = None
            if isinstance(said, Opened):
                with self._changed:
                    seat.builds, seat.failures = _builds(said), 0
            else:
                self.lose(seat, said.message)
        elif time.monotonic() - seat.asked_at > _SILENCE_SECONDS:
            self.lose(seat, f"it did not answer for {_SILENCE_SECONDS:.0f} s")

    def _fall(self, seat: Seat, reason: str) -> None:
        """The lock is held."""
        rest = min(60.0, _REST_SECONDS * 2**seat.failures)
        seat.phase, seat.reason, seat.builds = Phase.DOWN, reason, ()
        seat.failures += 1
        seat.not_before = time.monotonic() + rest
        self._tally.deaths += 1
        self._changed.notify_all()


def alive(nodes: Iterable[Mapping[str, object]]) -> dict[str, tuple[str, float]]:
    """Return each living node's name → (id, processors); of ``ray.nodes()`` those with a processor.

    Two nodes of one name, as on one machine without ``--node-name``, are told apart by their ids.
    """
    found: dict[str, tuple[str, float]] = {}
    for node in sorted(nodes, key=lambda node: str(node["NodeID"])):
        resources = node["Resources"]
        cpus = resources.get("CPU", 0.0) if isinstance(resources, dict) else 0.0
        if node["Alive"] and cpus > 0:
            name, identity = str(node.get("NodeName") or node["NodeManagerAddress"]), str(node["NodeID"])
            found[f"{name}-{identity[:8]}" if name in found else name] = (identity, float(cpus))
    return found


def _builds(said: Opened) -> tuple[WarmBuild, ...]:
    return tuple(WarmBuild.from_json(text) for text in said.builds)
