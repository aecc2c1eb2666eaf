"""The lists of docs/ces-truth.md, made from what the tests run: ``python -m tests.hostile.lists`` writes them."""

from collections.abc import Iterable
from pathlib import Path

from tests.hacks import ocaml_hacks, python_hacks
from tests.hostile.attempts import NETWORK, POWER, READING, WRITING
from tests.hostile.exhaustion import RESOURCES
from tests.hostile.programs import COMMANDS, DUNE, Program

from greenloop.builds.lint import FLAGS
from greenloop.builds.protect import DEFAULT_GLOBS
from greenloop.records import HACKS

PAGE = Path(__file__).parents[2] / "docs" / "ces-truth.md"
BEGIN, END = "<!-- begin of the lists, made by tests/hostile/lists.py -->", "<!-- end of the lists -->"


def lists() -> str:
    """Return the generated part of the page."""
    lines = [BEGIN, "", "### Flags", ""]
    lines += [f"Refused by default: {_words(HACKS)}.", ""]
    lines += [f"Told, and refused where a request says so: {_words(flag for flag in FLAGS if flag not in HACKS)}.", ""]
    lines += ["### Protected files", ""]
    lines += [f"Under every toolchain, unless `toolchain.protected` names others: {_words(DEFAULT_GLOBS)}."]
    lines += ["", "### Hacks", "", "| hack | ends | flags |", "|---|---|---|"]
    for language, table in (("OCaml", ocaml_hacks.HACKS), ("Python", python_hacks.HACKS)):
        for name, hack in table.items():
            lines.append(f"| {language}: {name} | `{hack.status}` | {_words(hack.flags) or 'none: its tests fail'} |")
    attempts = {
        "network": NETWORK, "reading": READING, "writing": WRITING, "power": POWER, "resources": RESOURCES,
    }  # fmt: skip
    lines += [
        "",
        "### Attempts",
        "",
        "Each by a test, and by a dune rule while the types are checked; all refused.",
        "",
    ]
    lines += [f"- **{kind}**: {'; '.join(some)}." for kind, some in attempts.items()]
    for title, programs in (("Programs", COMMANDS), ("Projects of dune", DUNE)):
        lines += ["", f"### {title}", "", "| program | ends | at |", "|---|---|---|"]
        lines += [f"| {name} | {_ends(program)} | `{program.stage}` |" for name, program in programs.items()]
    return "\n".join([*lines, "", END])


def _words(words: Iterable[str]) -> str:
    return ", ".join(f"`{word}`" for word in words)


def _ends(program: Program) -> str:
    return " or ".join(f"`{status}`" for status in (program.status, *program.others))


def renewed(page: str) -> str:
    """Return the page with its lists as they are now."""
    before, _, rest = page.partition(BEGIN)
    return f"{before}{lists()}{rest.partition(END)[2]}"


if __name__ == "__main__":
    PAGE.write_text(renewed(PAGE.read_text("utf-8")), "utf-8")
