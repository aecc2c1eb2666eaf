"""A stand-in for dune's watch mode, run as a program: it speaks the protocol, and misbehaves as a file tells it to.

It listens on ``_build/.rpc/dune`` below its working directory. Asked to build, it reads ``lib/a.ml``; a word in it
says what to do. With a file ``misbehave`` in the working directory it does not start: the file's first line names
a file in which starts are counted, its second is what it says.
"""

import socket
import sys
import time
from pathlib import Path

from greenloop.builds.checker.csexp import Csexp, Reader, encode

WAITING = "waiting for filesystem changes...\n"


def say(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()


def build(connection: socket.socket, state: dict[str, bool]) -> str:
    source = Path("lib/a.ml")
    text = source.read_text() if source.exists() else ""
    if "DIE" in text:
        sys.exit(1)
    if "HANG" in text:
        time.sleep(3600)
    if "SLOW" in text:
        time.sleep(1.0)
    if "GARBAGE" in text:
        connection.sendall(b"(what?")
    if "STUCK" in text:
        state["stuck"] = True
    if "LINK" in text:
        source.unlink()
        source.symlink_to(Path(Path("outside").read_text()))
    if "MUTE" not in text:
        say("\n********** NEW BUILD (lib/a.ml changed) **********\n\n")
    if "ERROR" in text or state.get("stuck"):
        say('File "lib/a.ml", line 1, characters 0-1:\nError: Unbound value x\nHad 1 error, ' + WAITING)
        return "Failure"
    if "MUTE" not in text:
        say("Success, " + WAITING)
    return "Success"


def field(packet: Csexp, name: bytes) -> Csexp:
    assert isinstance(packet, list)
    return next(part[1] for part in packet if isinstance(part, list) and part[0] == name)


def serve(connection: socket.socket) -> None:
    reader, state = Reader(), dict[str, bool]()
    while data := connection.recv(1 << 16):
        for packet in reader.feed(data):
            method = field(packet, b"method")
            result: list[object] = []
            if method == b"version_menu":
                result = [["build", "1"], ["ping", "1"]]
            elif method == b"build":
                assert field(packet, b"params") == [b"(alias_rec check)"]
                result = [build(connection, state), []]
            identity = field(packet, b"id")
            connection.sendall(encode([["id", identity], ["result", ["ok", result]]]))


def main() -> None:
    if Path("misbehave").exists():
        count, words = Path("misbehave").read_text().split("\n")
        with Path(count).open("a") as file:
            file.write("x")
        say(f"{words}\n")
        sys.exit(1)
    Path("_build/.rpc").mkdir(parents=True)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("_build/.rpc/dune")
        listening.listen()
        connection, _ = listening.accept()
        serve(connection)


if __name__ == "__main__":
    main()
