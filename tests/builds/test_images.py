"""Toolchain images: made whole or not at all, told apart by what they hold, never pulled away from under a build."""

import io
import os
import platform
import signal
import subprocess
import sys
import tarfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from greenloop.builds import images
from greenloop.builds.bootstrap import Archive, Mmdebstrap, Say
from greenloop.builds.mirrors import debian_lines, proxies
from greenloop.builds.sandbox import Bubblewrap, Command
from greenloop.builds.toolchains.dune import Dune
from greenloop.records import EnvironmentFault, InputError

STATUS = (
    "Package: tool\nStatus: install ok installed\nVersion: 1.2-3\nDescription: says\n so\n\n"
    "Package: gone\nStatus: deinstall ok config-files\nVersion: 9\n"
)
ROOT = {
    "usr/bin/tool": "#!/bin/sh\necho tool\n",
    "usr/lib/tool/data": "data",
    "var/lib/dpkg/status": STATUS,
    "etc/apt/sources.list": "deb https://somebody:secret@mirror.example/debian trixie main\n",
    "etc/apt/apt.conf.d/99mmdebstrap": 'Acquire::http::Proxy "http://somebody:secret@proxy.example";\n',
    "etc/resolv.conf": "nameserver 192.0.2.1\n",
}


def archive(path: Path, files: Mapping[str, str] = ROOT, mtime: int = 0) -> Archive:
    """Write a root file system as mmdebstrap does: set-uid programs, links, devices."""
    with tarfile.open(path, "w") as tar:

        def add(name: str, kind: bytes = tarfile.REGTYPE, content: bytes = b"", **values: object) -> None:
            member = tarfile.TarInfo(f"./{name}")
            member.type, member.size, member.mtime, member.uid, member.gid = kind, len(content), mtime, 7, 7
            for key, value in values.items():
                setattr(member, key, value)
            tar.addfile(member, io.BytesIO(content))

        for name, text in files.items():
            add(name, content=text.encode(), mode=0o4755 if name.startswith("usr/bin/") else 0o644)
        add("bin", tarfile.SYMTYPE, linkname="usr/bin")
        add("dev/null", tarfile.CHRTYPE, devmajor=1, devminor=3)
        add("tmp", tarfile.DIRTYPE, mode=0o1777)
    return Archive(path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "images"


def left_over(folder: Path) -> list[str]:
    """What lies in the folder besides images and locks."""
    return [path.name for path in folder.iterdir() if path.name.startswith(".") and path.is_dir()]


def test_an_image_is_the_users_own_and_tells_nothing_of_this_machine(folder: Path, tmp_path: Path) -> None:
    said: list[str] = []
    image = images.build(folder, "small", bootstrap=archive(tmp_path / "root.tar"), say=said.append)
    assert said[0] == "unpacking root.tar"
    assert image.packages == ("tool=1.2-3",)
    assert image.version("tool") == "1.2-3"
    assert image.version("gone") is None
    assert image.bytes > 0
    for path in image.root.rglob("*"):
        status = path.lstat()
        assert (status.st_uid, status.st_gid) == (os.geteuid(), os.getegid()), path
        assert path.is_symlink() or not status.st_mode & 0o6000, path
        assert not path.is_char_device(), path
        assert path.is_symlink() or not path.is_file() or b"secret" not in path.read_bytes(), path
    assert not (image.root / "etc/resolv.conf").exists()
    assert all((image.root / point).is_dir() for point in ("w", "tmp", "proc", "dev", "dev/shm"))
    assert images.names(folder) == ("small",)
    assert images.open(folder, "small") == image
    assert left_over(folder) == []


def test_the_id_follows_from_what_an_image_holds(folder: Path, tmp_path: Path) -> None:
    def made(name: str, changes: dict[str, str], mtime: int = 0) -> str:
        return images.build(folder, name, bootstrap=archive(tmp_path / name, ROOT | changes, mtime)).id

    first = made("first", {})
    assert len(first) == 64
    assert made("later", {"etc/hostname": "elsewhere", "var/log/apt.log": "12:00"}, mtime=1_000_000) == first
    assert made("other", {"usr/lib/tool/data": "Data"}) != first
    assert made("moved", {"usr/lib/tool/more": "data"}) != first
    assert made("newer", {"var/lib/dpkg/status": STATUS.replace("1.2-3", "1.2-4")}) != first
    root = folder / "first" / "root"
    assert images.content_id(root) == images.identity(root) == first


def test_a_root_that_is_no_image_is_told_by_its_packages(tmp_path: Path) -> None:
    status = tmp_path / "var/lib/dpkg/status"
    status.parent.mkdir(parents=True)
    status.write_text(STATUS)
    before = images.identity(tmp_path)
    status.write_text(STATUS.replace("1.2-3", "1.2-4"))
    assert images.identity(tmp_path) != before


class Broken:
    """A bootstrap that writes something, and then fails."""

    def fill(self, root: Path, scratch: Path, say: Say) -> None:
        (root / "usr").mkdir()
        (scratch / "half").write_text("half")
        raise EnvironmentFault("the network is gone")


def test_a_build_that_fails_leaves_the_image_that_was_there(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(EnvironmentFault, match="the network is gone"):
        images.build(folder, bootstrap=Broken())
    assert images.names(folder) == ()
    image = images.build(folder, bootstrap=archive(tmp_path / "root.tar"))
    image.close()
    with pytest.raises(EnvironmentFault, match="the network is gone"):
        images.build(folder, bootstrap=Broken())
    assert images.open(folder).id == image.id
    assert left_over(folder) == []


SLOW = """
import pathlib, sys, time
from greenloop.builds import images

class Slow:
    def fill(self, root, scratch, say):
        (root / "usr/bin").mkdir(parents=True)
        print("filling", flush=True)
        time.sleep(600)

images.build(pathlib.Path(sys.argv[1]), bootstrap=Slow())
"""


def test_a_killed_build_leaves_nothing_that_looks_complete(folder: Path, tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", SLOW, str(folder)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        with pytest.raises(InputError, match="somebody else makes the toolchain image 'trixie' just now"):
            images.build(folder, bootstrap=archive(tmp_path / "root.tar"))
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert left_over(folder) != []
    assert images.names(folder) == ()
    with pytest.raises(InputError, match="there is no toolchain image 'trixie'") as refused:
        images.open(folder)
    assert refused.value.way_out == "greenloop ces image build --name trixie"
    assert images.build(folder, bootstrap=archive(tmp_path / "root.tar")).version("tool")
    assert left_over(folder) == []


def test_an_image_in_use_is_neither_replaced_nor_removed(folder: Path, tmp_path: Path) -> None:
    image = images.build(folder, bootstrap=archive(tmp_path / "root.tar"))
    for attempt in (
        lambda: images.build(folder, bootstrap=archive(tmp_path / "root.tar")),
        lambda: images.remove(folder, "trixie"),
    ):
        with pytest.raises(InputError, match="is in use"):
            attempt()
    assert (image.root / "usr/bin/tool").exists()
    image.close()
    newer = images.build(folder, bootstrap=archive(tmp_path / "new.tar", ROOT | {"usr/bin/new": ""}))
    assert newer.id != image.id
    assert left_over(folder) == []
    del newer
    images.remove(folder, "trixie")
    assert images.names(folder) == ()
    with pytest.raises(InputError, match="no toolchain image 'trixie'"):
        images.remove(folder, "trixie")


def test_an_image_that_was_changed_or_damaged_is_refused(folder: Path, tmp_path: Path) -> None:
    images.build(folder, bootstrap=archive(tmp_path / "root.tar")).close()
    status = folder / "trixie/root/var/lib/dpkg/status"
    status.write_text(STATUS.replace("gone", "come").replace("deinstall ok config-files", "install ok installed"))
    with pytest.raises(EnvironmentFault, match="was changed after it was made"):
        images.open(folder)
    (folder / "trixie/image.json").write_text("{}")
    with pytest.raises(EnvironmentFault, match="is damaged"):
        images.open(folder)
    images.build(folder, bootstrap=archive(tmp_path / "root.tar"))


@pytest.mark.parametrize("name", ["", ".", "../up", "a/b", "-x", "Trixie", "x" * 65])
def test_a_name_that_could_lead_elsewhere_is_refused(folder: Path, name: str) -> None:
    for attempt in (images.open, images.remove, images.build):
        with pytest.raises(InputError, match="is no name of an image"):
            attempt(folder, name)
    assert not folder.exists()


def test_what_is_no_root_file_system_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        images.build(folder, bootstrap=Archive(tmp_path / "missing.tar"))
    (tmp_path / "text.tar").write_text("no archive\n" * 1000)
    with pytest.raises(InputError, match=r"text.tar: cannot be unpacked: .*not look like a tar archive"):
        images.build(folder, bootstrap=Archive(tmp_path / "text.tar"))
    with pytest.raises(InputError, match="it lacks /usr/bin"):
        images.build(folder, bootstrap=archive(tmp_path / "empty.tar", {"etc/x": ""}))
    assert left_over(folder) == []


def test_an_archive_cannot_write_outside(folder: Path, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "evil.tar", "w") as tar:
        for name in ("../../../escaped", str(tmp_path / "absolute")):
            tar.addfile(tarfile.TarInfo(name), io.BytesIO())
        link = tarfile.TarInfo("usr")
        link.type, link.linkname = tarfile.SYMTYPE, str(tmp_path)
        tar.addfile(link)
        tar.addfile(tarfile.TarInfo("usr/through"), io.BytesIO())
    with pytest.raises(InputError):
        images.build(folder, bootstrap=Archive(tmp_path / "evil.tar"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["evil.tar", "images"]


SMALL_DISK = """
set -eu
mount -t tmpfs -o size=64k tmpfs "$2"
exec "$1" -c '
import pathlib, sys
from greenloop.builds import bootstrap, images
from greenloop.records import EnvironmentFault
folder = pathlib.Path(sys.argv[1]) / "images"
try:
    images.build(folder, bootstrap=bootstrap.Archive(pathlib.Path(sys.argv[2])))
except EnvironmentFault as error:
    print(error.message, "|", images.names(folder), [path.name for path in folder.glob(".*/")])
' "$2" "$3"
"""


def test_a_full_disk_is_named_and_leaves_nothing(tmp_path: Path) -> None:
    archive(tmp_path / "root.tar", ROOT | {"usr/lib/large": "x" * 1_000_000})
    (tmp_path / "disk").mkdir()
    words = ("unshare", "-Urm", "sh", "-c", SMALL_DISK, "sh", sys.executable, tmp_path / "disk", tmp_path / "root.tar")
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.stdout.startswith("the disk is full"), done
    assert done.stdout.rstrip().endswith("| () []")


def test_what_mmdebstrap_cannot_have_is_told_in_one_sentence(folder: Path) -> None:
    closed = ("deb http://127.0.0.1:9/debian trixie main",)
    with pytest.raises(EnvironmentFault, match="mmdebstrap is not installed"):
        images.build(folder, bootstrap=Mmdebstrap(mirrors=closed, path=str(folder)))
    with pytest.raises(InputError, match="'a;b' is no name of a Debian package"):
        images.build(folder, bootstrap=Mmdebstrap(mirrors=closed, packages=("a;b",)))
    with pytest.raises(InputError, match="'--help' is no line of apt's"):
        images.build(folder, bootstrap=Mmdebstrap(mirrors=("--help",)))
    assert left_over(folder) == []


def test_a_mirror_that_is_out_of_reach_is_named(folder: Path) -> None:
    said: list[str] = []
    bootstrap = Mmdebstrap(mirrors=("deb http://127.0.0.1:9/debian trixie main",), packages=("dune",))
    with pytest.raises(EnvironmentFault) as fault:
        images.build(folder, bootstrap=bootstrap, say=said.append)
    if os.geteuid() == 0:
        assert "the mirror cannot be reached" in fault.value.message
        assert "running apt-get update" in said
    assert "greenloop ces image import" in fault.value.way_out
    assert left_over(folder) == []


def sources(tmp_path: Path, lists: str = "", stanzas: str = "") -> list[str]:
    """Write apt's settings in both of their formats; return the options with which apt reads them."""
    (tmp_path / "parts").mkdir()
    (tmp_path / "lists").mkdir()
    (tmp_path / "sources.list").write_text(lists)
    (tmp_path / "parts" / "debian.sources").write_text(stanzas)
    places = {"Etc::sourcelist": "sources.list", "Etc::sourceparts": "parts", "State::lists": "lists"}
    return [word for key, name in places.items() for word in ("-o", f"Dir::{key}={tmp_path / name}")]


def test_the_mirror_is_read_from_both_formats_of_apts_settings(tmp_path: Path) -> None:
    system = platform.freedesktop_os_release()
    own = system["VERSION_CODENAME"] if system["ID"] == "debian" else "stable"
    options = sources(
        tmp_path,
        f"# deb http://commented.example/debian {own} main\n"
        f"deb [arch=amd64,arm64] http://one.example/debian {own} main contrib\n"
        f"deb-src http://source.example/debian {own} main\n"
        "deb http://third.example/packages cloud-sdk main\n"
        "deb http://flat.example/packages ./\n",
        f"Types: deb deb-src\nURIs: http://two.example/debian\nSuites: {own}-updates {own}-backports\n"
        f"Components: main\n\nTypes: deb\nURIs: http://two.example/security\nSuites: {own}-security\n"
        f"Components: main non-free\n\nEnabled: no\nTypes: deb\nURIs: http://off.example/debian\nSuites: {own}\n"
        "Components: main\n",
    )
    assert debian_lines("trixie", options) == (
        "deb http://one.example/debian/ trixie main",
        "deb http://two.example/debian/ trixie-updates main",
        "deb http://two.example/security/ trixie-security main",
    )
    assert debian_lines("sid", options) == ("deb http://one.example/debian/ sid main",)


def test_a_machine_without_a_source_of_debian_says_so(tmp_path: Path) -> None:
    options = sources(tmp_path, "deb http://third.example/packages cloud-sdk main\n")
    with pytest.raises(EnvironmentFault, match="name no source of Debian") as fault:
        debian_lines("trixie", options)
    assert "--mirror" in fault.value.way_out
    (tmp_path / "sources.list").write_text("deb what\n")
    with pytest.raises(EnvironmentFault, match="apt cannot read its settings"):
        debian_lines("trixie", options)


def test_apts_proxies_are_handed_on() -> None:
    options = ("-o", "Acquire::http::Proxy=http://127.0.0.1:1", "-o", "Acquire::https::Proxy::a.example=DIRECT")
    assert set(proxies(options)) >= {
        'Acquire::http::Proxy "http://127.0.0.1:1"',
        'Acquire::https::Proxy::a.example "DIRECT"',
    }


def test_the_real_image_judges_with_its_own_compilers(trixie: images.Image, tmp_path: Path) -> None:
    assert trixie.contents().startswith("OCaml 5.3.0, dune 3.17.2")
    assert Dune(root=trixie.root).fingerprint() != Dune().fingerprint()
    sandbox = Bubblewrap(root=trixie.root)
    assert sandbox.fingerprint() != Bubblewrap().fingerprint()
    script = (
        "ocamlc -version; dune --version; ocamlfind query alcotest base ounit2 re yojson ppx_expect >&2 && echo all"
    )
    commands = [Command(("sh", "-c", script)), Command(("sh", "-c", ": >/usr/x"))]
    (tmp_path / "w").mkdir()
    told, refused = sandbox.run_over(tmp_path / "w", delta=None, deletions=(), commands=commands, keep_going=True)
    assert told.stdout == b"5.3.0\n3.17.2\nall\n", told
    assert b"Read-only file system" in refused.stderr
