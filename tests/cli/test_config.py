import tomllib
from pathlib import Path

import pytest

from greenloop.cli.config import Config, ToolchainKind, find, read, sections
from greenloop.cli.init import template
from greenloop.records import InputError, Suite


def written(folder: Path, text: str) -> Path:
    path = folder / "greenloop.toml"
    path.write_text(text)
    return path


def test_settings_are_read_and_the_rest_have_defaults(tmp_path: Path) -> None:
    config = read(written(tmp_path, '[build]\nsuite = "test"\n[model]\ncandidates = 9\n'))
    assert config.build.suite is Suite.TEST
    assert config.model.candidates == 9
    assert config.build.workers == Config().build.workers


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[model]\ncandidate = 3\n", "model.candidate: no such setting"),
        ("[record]\ninterval_seconds = 0\n", "record.interval_seconds"),
        ("[build]\nsuite = 'all'\n", "build.suite"),
        ("[toolchain]\nkind = 'command'\n", "[command]"),
        ("version = 2\n", "version"),
        ("[model\n", "not TOML"),
        ("a = " + "[" * 5000 + "]" * 5000, "not TOML"),
        ("[mining]\nconfirmations = 1" + "0" * 5000, "not TOML"),
        ("[mining]\nidle_minutes = nan", "mining.idle_minutes"),
        ("[mining]\nidle_minutes = inf", "mining.idle_minutes"),
        ("[mining]\nmax_changed_lines = true", "mining.max_changed_lines"),
        ("[mining]\nmax_changed_lines = '5'", "mining.max_changed_lines"),
        ("[mining.prompts]\nmeasure = 1", "mining.prompts.measure"),
        ("[mining.prompts]\ntimeout_seconds = 1e300", "mining.prompts.timeout_seconds"),
        ("[mining.prompts.lengths]\n'2-3' = 1", "mining.prompts.lengths"),
        ("[dataset]\nnear_duplicate = nan", "dataset.near_duplicate"),
        ("[record]\nreconcile_seconds = inf", "record.reconcile_seconds"),
        ("[record]\nauthor = 1979-05-27", "record.author"),
        ("[record]\nignore = 'x'", "record.ignore"),
    ],
)
def test_a_wrong_setting_is_named(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(InputError) as error:
        read(written(tmp_path, text))
    assert named in str(error.value)
    assert "greenloop.toml" in str(error.value)


def test_a_file_that_is_not_utf8_is_named(tmp_path: Path) -> None:
    path = tmp_path / "greenloop.toml"
    path.write_bytes(b'[model]\nname = "\xff"\n')
    with pytest.raises(InputError, match="not UTF-8"):
        read(path)


def test_the_nearest_file_is_found_from_below(tmp_path: Path) -> None:
    path = written(tmp_path, "")
    below = tmp_path / "lib" / "deep"
    below.mkdir(parents=True)
    assert find(below) == path


@pytest.mark.parametrize("kind", [ToolchainKind.DUNE, ToolchainKind.OCAML_FILE, ToolchainKind.COMMAND])
def test_the_written_file_is_read_back_as_the_defaults(tmp_path: Path, kind: ToolchainKind) -> None:
    config = read(written(tmp_path, template(kind)))
    assert config.toolchain.kind is kind
    assert config.model == Config().model
    assert config.dune == Config().dune


@pytest.mark.parametrize("kind", list(ToolchainKind))
def test_every_commented_setting_holds_its_default(kind: ToolchainKind) -> None:
    """Uncommenting all of the written file changes nothing: comments cannot drift from the code."""
    lines = []
    for line in template(kind).splitlines():
        bare = line.removeprefix("# ")
        is_setting = line.startswith("# ") and any(
            bare.startswith(f"{key} = ") for section in sections().values() for key in section.model_fields
        )
        lines.append(bare if is_setting and not bare.endswith('= ""') else line)
    config = Config.model_validate(tomllib.loads("\n".join(lines)))
    assert config.model == Config().model
    assert config.mining == Config().mining
    assert config.toolchain.protected == Config().toolchain.protected


def test_every_setting_says_what_it_means() -> None:
    for name, section in sections().items():
        for key, field in section.model_fields.items():
            assert field.description, f"{name}.{key}"
