"""A sidecar with a scripted service, as a program. Its argument is JSON: folder, version, and what to override."""

import json
import select
import subprocess
import sys
from pathlib import Path

from greenloop.aid.door.life import Terms, live, say_on
from greenloop.aid.door.place import Place
from greenloop.aid.protocol.base import Message
from greenloop.aid.protocol.catalogue import STATUS_GET, TURN_START, WORKSPACE_OPEN
from greenloop.aid.scripted import Script, ScriptedService
from greenloop.aid.service import Call, Handler, Handlers, Service
from greenloop.records import Cancelled, GreenloopError
from greenloop.storage.lines import append_line


class Stuck(ScriptedService):
    """Answers nothing but what comes at the beginning, and writes down what came."""

    def __init__(self, arrived: Path) -> None:
        super().__init__()
        self._arrived = arrived

    def handlers(self) -> Handlers:
        """Return what opens workspaces, and what does not answer."""
        table = Handlers()
        table.on(WORKSPACE_OPEN, super().handlers().methods[WORKSPACE_OPEN.name])
        table.on(STATUS_GET, self._wait_for_ever(STATUS_GET.name))
        table.on(TURN_START, self._wait_for_ever(TURN_START.name))
        return table

    def _wait_for_ever(self, name: str) -> Handler:
        def handle(call: Call, _params: Message) -> Message:
            append_line(self._arrived, name)
            select.select([call.stop], [], [])
            raise Cancelled("nobody waits any more")

        return handle


def main() -> None:
    settings = json.loads(sys.argv[1])
    folder = Path(settings["folder"])

    def make() -> Service:
        if settings.get("broken"):
            raise SystemExit("the model file is damaged")
        for command in settings.get("children", ()):
            # one that leaves its parent's session, as some servers of tools do
            subprocess.Popen(command, start_new_session=True)
        stuck = settings.get("stuck")
        if stuck and not Path(stuck).exists():
            return Stuck(Path(stuck))
        ledger = settings.get("ledger")
        return ScriptedService(
            Script(
                deltas=tuple(settings.get("deltas", ("let ", "x"))),
                pause=settings.get("pause", 0.0),
                ledger=Path(ledger) if ledger else None,
            )
        )

    ready = int(sys.argv[sys.argv.index("--ready-fd") + 1]) if "--ready-fd" in sys.argv else None
    terms = Terms(idle_seconds=settings.get("idle", 0.0))
    try:
        live(Place(folder / "aid", folder / "run"), settings["version"], terms, make, say_on(ready))
    except GreenloopError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
