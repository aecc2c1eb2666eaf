"""A sidecar with a scripted service, as a program. Its argument is JSON: folder, version, and what to override."""

import json
import subprocess
import sys
from pathlib import Path

from greenloop.aid.door.life import Terms, live, say_on
from greenloop.aid.door.place import Place
from greenloop.aid.scripted import Script, ScriptedService
from greenloop.aid.service import Service
from greenloop.records import GreenloopError


def main() -> None:
    settings = json.loads(sys.argv[1])
    folder = Path(settings["folder"])

    def make() -> Service:
        if settings.get("broken"):
            raise SystemExit("the model file is damaged")
        for command in settings.get("children", ()):
            # one that leaves its parent's session, as some servers of tools do
            subprocess.Popen(command, start_new_session=True)
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
