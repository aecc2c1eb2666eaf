"""Where examples may be written, what lies beside them, and that all of it belongs to one run."""

import json
import os
import resource
from pathlib import Path

import pytest

from greenloop.cli.dataset import counts, funnel
from greenloop.cli.mined import check_place, funnel_file, write_mined
from greenloop.mining.dropped import Dropped
from greenloop.mining.funnel import Funnel, Step
from greenloop.mining.picture import funnel_svg
from greenloop.records import Category, Edit, EnvironmentFault, Example, InputError, Suite


def example(number: int) -> Example:
    return Example(
        id=f"{number:016x}", workspace="w", author="ann", time=float(number), base="a" * 40, target="b" * 40,
        edit=Edit(files=()), prompt="fix it", description="", diagnostics=(), category=Category.OTHER, changed_lines=0,
        toolchain="t", suite=Suite.CHECK,
    )  # fmt: skip


DROPPED = Dropped(rule="r", unit="u", workspace="w", first_seq=0, last_seq=1, base="a" * 40, target=None)


FUNNEL = Funnel(steps=(Step(name="r", unit="u", seen=2, dropped=1),))


def test_what_an_earlier_run_left_beside_does_not_stay(tmp_path: Path) -> None:
    target = tmp_path / "new" / "x.jsonl"
    write_mined(target, [example(1), example(2)], {"groups": []}, dropped=[DROPPED], funnel=FUNNEL)
    held = {path.name: path.read_bytes() for path in target.parent.iterdir()}
    assert set(held) == {"x.jsonl", "x.funnel.json", "x.dropped.jsonl", "x.funnel.svg"}
    assert held["x.funnel.svg"] == funnel_svg(FUNNEL)
    assert held["x.dropped.jsonl"].decode() == f"{DROPPED.to_json()}\n"
    assert held["x.jsonl"].count(b"\n") == 2
    write_mined(target, [example(3)], {"groups": []}, dropped=[], funnel=Funnel(steps=()))
    again = {path.name: path.read_bytes() for path in target.parent.iterdir()}
    assert (again["x.jsonl"].count(b"\n"), again["x.dropped.jsonl"]) == (1, b"")
    assert again["x.funnel.svg"] != held["x.funnel.svg"]


def test_two_files_do_not_share_their_counts(tmp_path: Path) -> None:
    names = [funnel_file(tmp_path / name).name for name in ("x.jsonl", "v.1", "v.2", ".jsonl")]
    assert names == ["x.funnel.json", "v.1.funnel.json", "v.2.funnel.json", ".funnel.json"]


def test_a_full_disk_changes_nothing(tmp_path: Path) -> None:
    target = tmp_path / "x.jsonl"
    write_mined(target, [example(1)], {"run": 1}, dropped=[DROPPED], funnel=FUNNEL)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    child = os.fork()
    if child == 0:
        # in a process of its own: the limit holds for all that it writes
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
        try:
            write_mined(target, map(example, range(1000)), {"run": 2}, dropped=[], funnel=FUNNEL)
        except EnvironmentFault as fault:
            os._exit(7 if "x.jsonl: File too large" in fault.message and "ulimit" in fault.way_out else 8)
        os._exit(9)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_places_that_take_no_examples(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "file").write_text("mine\n")
    (tmp_path / "link.jsonl").symlink_to("file")
    (tmp_path / "lost.jsonl").symlink_to("nowhere")
    (tmp_path / "a.funnel.json").mkdir()
    (tmp_path / "b.funnel.svg").symlink_to("file")
    for place, said in (
        ("folder", "folder is a folder"), (".", "is a folder"), ("..", "is a folder"), ("pipe", "is no plain file"),
        ("link.jsonl", "link.jsonl is a link"), ("lost.jsonl", "is a link"), ("a.jsonl", "a.funnel.json is a folder"),
        ("b.jsonl", "b.funnel.svg is a link"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=said):
            check_place(tmp_path / place)
    with pytest.raises(InputError, match="is no plain file"):
        check_place(Path("/dev/null"))
    with pytest.raises(EnvironmentFault, match="file is no folder"):
        check_place(tmp_path / "file" / "x.jsonl")
    with pytest.raises(EnvironmentFault, match="name too long"):
        check_place(tmp_path / ("a" * 236 + ".jsonl"))
    with pytest.raises(EnvironmentFault, match="cannot be written to"):
        check_place(Path("/proc/self/x.jsonl"))
    for fine in ("x.jsonl", "new/er/x.jsonl", "file"):
        check_place(tmp_path / fine)


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"groups": 3}', '{"groups": [3]}', '{"groups": [{}]}', '{"groups": [{"funnel": 3}]}',
                '{"groups": [{"funnel": {"record": "Funnel", "version": 1, "steps": [3]}}]}', "[" * 100_000],
)  # fmt: skip
def test_counts_that_are_none_are_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "x.funnel.json").write_text(content)
    with pytest.raises(InputError, match=r"x\.funnel\.json: ") as error:
        funnel(tmp_path / "x.jsonl")
    assert "greenloop mine" in error.value.way_out


def test_examples_are_never_beside_the_counts_of_another_run(tmp_path: Path) -> None:
    target = tmp_path / "x.jsonl"
    children = []
    for run in range(2):
        child = os.fork()
        if child == 0:
            for _ in range(20):
                write_mined(target, [example(run)] * (run + 1), {"run": run}, dropped=[], funnel=FUNNEL)
            os._exit(0)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0]
    assert len(target.read_text().splitlines()) == counts(target)["run"] + 1
    assert len(list(tmp_path.iterdir())) == 4
    assert json.loads(funnel_file(target).read_text())
