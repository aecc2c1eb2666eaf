"""What every command is handed: the home, and the settings of the repository at hand."""

import sys
from dataclasses import dataclass
from pathlib import Path

import typer

from greenloop.cli import config
from greenloop.cli.config import Config
from greenloop.cli.home import Home


@dataclass(frozen=True)
class App:
    """The home and where settings come from."""

    home: Home
    config_file: Path | None

    @classmethod
    def create(cls, home: Path | None, config_file: Path | None) -> "App":
        """Build it from the options that stand before a command's name."""
        return cls(Home.locate(home), config_file)

    @classmethod
    def of(cls, context: typer.Context) -> "App":
        """Return the one that belongs to this run."""
        found = context.find_object(cls)
        assert found is not None, "main's callback runs before every command"
        return found

    def itself(self) -> list[str]:
        """Return the command line of Greenloop with this run's home and settings."""
        config = ["--config", str(self.config_file.absolute())] if self.config_file is not None else []
        return [sys.executable, "-m", "greenloop", "--home", str(self.home.path), *config]

    def settings(self, folder: Path) -> Config:
        """Return the settings for ``folder``: the file that was named, else the nearest, else the defaults."""
        path = self.config_file or config.find(folder.absolute())
        return config.read(path) if path is not None else Config()
