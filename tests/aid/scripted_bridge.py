"""A bridge to a scripted sidecar, as a program. Its argument is JSON: folder, command, version."""

import asyncio
import json
import sys
from pathlib import Path

from greenloop.aid.client.bridge import bridge
from greenloop.aid.client.reach import Launch, reach
from greenloop.aid.door.place import Place
from greenloop.records import Refused


def main() -> None:
    settings = json.loads(sys.argv[1])
    folder = Path(settings["folder"])
    place = Place(folder / "aid", folder / "run")
    launch = Launch(tuple(settings["command"]), settings["version"])
    try:
        asyncio.run(bridge(lambda: reach(place, launch), 0, 1, 1 << 20))
    except Refused as error:
        sys.exit(f"{error.code}: {error}")


if __name__ == "__main__":
    main()
