"""``greenloop ces image`` as a person uses it, and the setting that names an image."""

import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from greenloop.cli.config import Config
from greenloop.cli.home import Home
from greenloop.cli.toolchains import bench
from greenloop.records import InputError

Greenloop = Callable[..., CompletedProcess[str]]


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """A root file system with nothing in it but a tool, and dpkg's word for OCaml."""
    (tmp_path / "root/usr/bin").mkdir(parents=True)
    (tmp_path / "root/usr/bin/tool").write_text("#!/bin/sh\n")
    (tmp_path / "root/var/lib/dpkg").mkdir(parents=True)
    status = "Package: ocaml-nox\nStatus: install ok installed\nVersion: 1:5.9.1-2\n"
    (tmp_path / "root/var/lib/dpkg/status").write_text(status)
    with tarfile.open(tmp_path / "root.tar.gz", "w:gz") as tar:
        tar.add(tmp_path / "root", ".")
    return tmp_path / "root.tar.gz"


def test_an_image_from_its_making_to_its_end(greenloop: Greenloop, archive: Path) -> None:
    assert "greenloop ces image build" in greenloop("ces", "image", "list").stdout
    made = greenloop("ces", "image", "import", archive, "--name", "old-5.9")
    assert made.returncode == 0, made
    assert "unpacking root.tar.gz" in made.stderr
    assert made.stdout.startswith("Made the image old-5.9: OCaml 5.9.1, 1 package; "), made
    assert '[toolchain] image = "old-5.9"' in made.stdout
    listed = greenloop("ces", "image", "list")
    assert "old-5.9" in listed.stdout
    findings = json.loads(greenloop("doctor", "--json").stdout)["findings"]
    (found,) = [finding for finding in findings if finding["group"] == "toolchain images"]
    assert (found["name"], found["ok"], found["detail"]) == ("old-5.9", True, "OCaml 5.9.1, 1 package")
    assert greenloop("ces", "image", "remove", "old-5.9").returncode == 0
    assert "No toolchain images" in greenloop("ces", "image", "list").stdout


def test_what_is_asked_wrongly_is_told(greenloop: Greenloop) -> None:
    done = greenloop("ces", "image", "build", "--mirror", "somewhere")
    assert done.returncode == 2, done
    assert "'somewhere' is no line of apt's" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_image_that_is_missing_or_out_of_the_sandbox_is_an_error_in_the_settings(tmp_path: Path) -> None:
    home = Home(tmp_path)
    wanted = {"kind": "dune", "image": "trixie"}
    with pytest.raises(InputError, match="there is no toolchain image 'trixie'"):
        bench(home, Config.model_validate({"toolchain": wanted}), "dune")
    with pytest.raises(InputError, match="only to be had in the sandbox"):
        bench(home, Config.model_validate({"toolchain": wanted, "sandbox": {"enabled": False}}), "dune")
