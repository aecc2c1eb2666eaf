"""What a pool knows of one build while it lives."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from greenloop.builds.shelf import Hold
from greenloop.builds.stop import Stop
from greenloop.ces.warming import Warmth
from greenloop.records import GreenloopError, InfrastructureError, InputError, WarmBuild

_SHOWN = 3
_RETRY_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Made:
    """What a warmer has to show."""

    warmth: Warmth
    holds: Sequence[Hold] = ()
    size: int = 0
    """Bytes of disk."""

    def of(self, build: WarmBuild, seconds: float) -> WarmBuild:
        """Return the record of the build that this is."""
        warmth = self.warmth
        update = {
            "state": warmth.state,
            "tests": warmth.tests,
            "flaky": warmth.flaky,
            "diagnostics": warmth.diagnostics,
            "bytes": self.size,
            "seconds": seconds,
            "note": "; ".join(note for note in (build.note, warmth.note) if note),
        }
        return build.model_copy(update=update)

    def let_go(self) -> None:
        """Let go of its folders."""
        for hold in self.holds:
            hold.close()


@dataclass(eq=False)
class Entry:
    """One build, and who uses it. Changed under the pool's lock only."""

    build: WarmBuild
    holds: Sequence[Hold] = field(default=())
    users: int = 0
    """Judgements that run above it now."""
    used: float = 0.0
    """When it was last asked for, in seconds since 1970."""
    stop: Stop | None = None
    """There is one while it is made."""

    @property
    def green(self) -> bool:
        """Whether edits may be judged above it."""
        return self.build.state == "green"

    @property
    def making(self) -> bool:
        """Whether it is waited for."""
        return self.build.state in {"queued", "warming"}

    def begin(self) -> None:
        """A warmer takes it up."""
        self.stop = Stop()
        self.build = self.build.model_copy(update={"state": "warming"})

    @property
    def just_failed(self) -> bool:
        """Whether it failed so short a time ago that trying again would only keep the machine busy."""
        return self.build.state == "failed" and time.time() - self.used < _RETRY_SECONDS

    def end(self, made: Made, build: WarmBuild) -> None:
        """A warmer is done with it."""
        self.holds = made.holds
        self.build = build
        self.used = time.time()
        if self.stop is not None:
            self.stop.close()
            self.stop = None

    def count_use(self) -> None:
        """One more judgement runs above it."""
        self.build = self.build.model_copy(update={"uses": self.build.uses + 1})

    def evicted(self) -> None:
        """From now on nobody gets it."""
        self.build = self.build.model_copy(update={"state": "evicted", "bytes": 0})

    def let_go(self) -> None:
        """Let go of its folders."""
        for hold in self.holds:
            hold.close()
        self.holds = ()

    def refusal(self) -> GreenloopError:
        """Return why nothing is judged above it."""
        name, state, note = self.build.revision, self.build.state, self.build.note
        if state == "failed":
            return InfrastructureError(f"base-not-green: {name} could not be warmed: {note}", "warm it again")
        first = "; ".join(
            f"{error.path or 'the build'}: {error.message.partition(chr(10))[0]}"
            for error in self.build.diagnostics[:_SHOWN]
        )
        return InputError(
            f"base-not-green: {name} is {state}: {first or note or 'no diagnostic says why'}",
            "name a green revision; a red workspace is judged by its `base_tree` above a green `revision`",
        )
