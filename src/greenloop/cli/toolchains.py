"""From settings to a judge: which toolchain, which sandbox, how many workers."""

from pathlib import Path

from greenloop.builds.engine import Engine
from greenloop.builds.sandbox import Bubblewrap, Limits, Sandbox, Unsandboxed
from greenloop.builds.toolchain import Toolchain
from greenloop.builds.toolchains import detect
from greenloop.builds.toolchains.command import CommandToolchain
from greenloop.builds.toolchains.dune import DuneToolchain
from greenloop.builds.toolchains.ocaml_file import OCamlFileToolchain
from greenloop.cli.config import Config, ToolchainKind
from greenloop.cli.home import Home
from greenloop.records import TreeId
