"""The page: everything on it, nothing fetched, nothing of the outside taken for markup."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from greenloop.assists.fix import fix
from greenloop.builds.scripted import Answer, ScriptedJudge
from greenloop.candidates.examine import Rules
from greenloop.candidates.sampling import Sampling
from greenloop.candidates.source import ScriptedSource
from greenloop.evals.measures import OwnFix
from greenloop.evals.report import (
    Number,
    ReportData,
    TimelineRow,
    fix_view,
    render_evaluation,
    render_html,
    task_views,
)
from greenloop.evals.report.views import diff_lines
from greenloop.evals.results import ResultsFolder
from greenloop.evals.run import run
from greenloop.mining.funnel import Funnel, Step
from greenloop.mining.timeline import Moment
from greenloop.models.scripted import ScriptedModel
from greenloop.records import Asking, Category, Diagnostic, InfrastructureError, Origin, Status, Suite, Task, TreeId
from greenloop.workspace.edits import parse_reply
from greenloop.workspace.store import TreeStore

Write = Callable[[Mapping[str, str]], TreeId]
ErrorAt = Callable[[str, int], Diagnostic]

HOSTILE = (
    "<script>alert('x')</script><img src=http://evil.example/a onerror=alert(1)>"
    "\"'&amp;$x_1$-->]]>{{7*7}}\x00\u202e日本"
)
OLD = 'let x = 1 + "2"'


def block(new: str) -> str:
    return f"a.ml\n<<<<\n{OLD}\n====\n{new}\n>>>>\n"


class Page(HTMLParser):
    """What a browser makes of a page: its tags, its text, and whether tags are balanced."""

    VOID = frozenset({"meta", "br", "img", "link", "input", "hr"})

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self._open: list[str] = []
        self.balanced = True
        self.feed(page)
        self.close()
        self.balanced &= not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        self.text += " "
        if tag not in self.VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        self.balanced &= bool(self._open) and self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def attributes(self, name: str) -> list[str]:
        return [attributes[name] for _, attributes in self.tags if name in attributes]


@pytest.fixture
def judge(store: TreeStore, type_error: ErrorAt) -> ScriptedJudge:
    def script(tree: TreeId, suite: Suite) -> Answer:
        red = type_error("a.ml", 1).model_copy(update={"message": f"wrong {HOSTILE}"})
        return (red,) if b'+ "2"' in (store.read(tree, "a.ml") or b"") else Status.GREEN

    return ScriptedJudge(script)


def moments(statuses: str) -> tuple[Moment, ...]:
    names = {"g": Status.GREEN, "r": Status.RED, "t": Status.TIMEOUT}
    return tuple(
        Moment(seq, float(seq), "a" * 40, names[status], deliberate=False, cut="checkout" if seq == 3 else "")
        for seq, status in enumerate(statuses)
    )


@pytest.fixture
def data(store: TreeStore, write: Write, judge: ScriptedJudge, type_error: ErrorAt, tmp_path: Path) -> ReportData:
    """A whole report in which every text from outside is hostile."""
    tasks = tuple(
        Task(
            id=f"t{number}",
            author=HOSTILE,
            base=write({"a.ml": f"{OLD}\nlet task = {number} (* {HOSTILE[:50]} *)\n"}),
            prompt=f"fix {HOSTILE}",
            diagnostics=(type_error("a.ml", 1),),
            category=Category.TYPE,
            suite=Suite.CHECK,
        )
        for number in range(3)
    )
    model = ScriptedModel(lambda _: [block("let x = 1 + 2"), HOSTILE, block('let x = failwith "T"'), ""], name=HOSTILE)
    report = run(
        tasks, model, judge, store,
        sampling=Sampling(greedy=0, sampled=4), k=2, asking=Asking(budget_tokens=2000), out_dir=tmp_path / "run",
        own_fixes={"t0": OwnFix(write({"a.ml": f"let x = 1 + 2\n(* {HOSTILE[:50]} *)\n"}), 1, Origin.EPISODE)},
    )  # fmt: skip
    views, left_out = task_views(
        store, tasks, ResultsFolder(tmp_path / "run").read().values(), asking=Asking(budget_tokens=2000), limit=2
    )
    turn = fix(store, judge, tasks[0].base, sources=[ScriptedSource([parse_reply(block("let x = 3"))])], rules=Rules())
    steps = (
        Step(name=HOSTILE, unit="snapshots", seen=20, dropped=5),
        Step(name="red to green", unit="pairs", seen=9, dropped=0),
        Step(name="small", unit="pairs", seen=9, dropped=9),
    )
    return ReportData(
        title=HOSTILE,
        subtitle=HOSTILE,
        made=HOSTILE,
        numbers=(Number("verified", "7", HOSTILE),),
        timeline=(
            TimelineRow(HOSTILE, moments("ggrrgtrg")),
            TimelineRow("plain", moments("g")),
            TimelineRow("none", ()),
        ),
        funnel=Funnel(steps=steps),
        evaluation=report,
        tasks=views,
        tasks_left_out=left_out,
        fix=fix_view(store, turn.before, turn.best, workspace=HOSTILE, summary=turn.summary()),
        notes=(HOSTILE,),
    )


def test_nothing_from_outside_becomes_markup_and_nothing_is_fetched(data: ReportData) -> None:
    source = render_html(data)
    page = Page(source)
    assert page.balanced
    assert not {"script", "img", "iframe", "link", "object", "base"} & {tag for tag, _ in page.tags}
    assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes)
    assert page.attributes("src") == []
    assert all(target.startswith("#") for name in ("href", "xlink:href") for target in page.attributes(name))
    assert "@import" not in source
    assert source.count("url(") == source.count("url(#")
    assert "alert('x')" in page.text
    assert "{{7*7}}" in page.text
    assert not {"\x00", "\u202e"} & set(source)


def test_the_page_says_everything(data: ReportData) -> None:
    text = " ".join(Page(render_html(data)).text.split())
    for said in (
        "Fixed. 1 of 1 candidate fixed it (1 judged).",
        "✓ type-checks",
        "+let x = 3",
        "This expression has type string",
        "fixed@1 fixed, one sampled reply 25.0 %",
        "fixed@2 fixed, any of 2 sampled replies 50.0 %",
        "fixed_shown fixed, the one answer shown 100.0 %",
        "95 % interval",
        "sample 3: not fixed: a cheap green: stub stub",
        "sample 4: no edit could be read from the reply",
        "The model answered nothing.",
        "1 of 4 fixed",
        "1 more are not listed here",
        "15 snapshots, 5 dropped",
        "0 pairs, 9 dropped",
        "verified 7",
    ):
        assert said in text


def test_pictures_have_texts_that_say_the_same_and_ids_of_their_own(data: ReportData) -> None:
    page = Page(render_html(data))
    said = [attributes["aria-label"] for _, attributes in page.tags if attributes.get("role") == "img"]
    assert len(said) == 4
    assert "8 snapshots, 4 green, 3 red, 1 without a verdict; 2 times from red to green" in said[0]
    assert "red to green: 9 of 9 pairs kept" in said[1]
    assert "fixed@2 50.0 %" in said[2]
    assert sum(tag == "svg" for tag, _ in page.tags) == 4
    ids = page.attributes("id")
    assert len(ids) == len(set(ids))
    for target in page.attributes("xlink:href"):
        assert target[1:] in ids


def test_colours_come_from_the_page_and_never_carry_a_meaning_alone(data: ReportData) -> None:
    source = render_html(data)
    assert "#0102" not in source
    assert "prefers-color-scheme: dark" in source
    # red is hatched, so it is told from green without colour
    assert "url(#timeline-" in source
    assert "var(--green)" in source


def test_the_same_data_give_the_same_page(data: ReportData) -> None:
    assert render_html(data) == render_html(data)


def test_what_is_missing_is_said_to_be_missing() -> None:
    page = Page(render_html(ReportData(title="Nothing yet")))
    assert page.balanced
    for said in ("No repair was attempted.", "There is no history", "Nothing was mined.", "No model was scored."):
        assert said in page.text


@pytest.mark.parametrize("count", [1, 45])
def test_any_number_of_rows_can_be_drawn(count: int) -> None:
    rows = tuple(TimelineRow(f"w{number}", moments("gr")) for number in range(count))
    page = Page(render_html(ReportData(title="t", timeline=rows)))
    labels = " ".join(page.attributes("aria-label"))
    assert ("5 more workspaces are not drawn" in labels) == (count == 45)


def test_an_attempt_that_fixed_nothing_says_so(
    store: TreeStore, data: ReportData, judge: ScriptedJudge, write: Write
) -> None:
    base = write({"a.ml": OLD + "\n"})
    stub = ScriptedSource([parse_reply(block('let x = failwith "T"'))])
    turn = fix(store, judge, base, sources=[stub], rules=Rules())
    view = fix_view(store, turn.before, turn.best, workspace="w", summary=turn.summary())
    text = " ".join(Page(render_html(replace(data, fix=view))).text.split())
    assert "✓ type-checks stub Not fixed. Not fixed: none of 1 candidate is an honest fix" in text

    nothing = fix_view(store, turn.before, None, workspace="w", summary="Nothing to show.")
    text = " ".join(Page(render_html(replace(data, fix=nothing))).text.split())
    assert "nothing to show Not fixed. Nothing to show." in text


def test_an_unverified_suggestion_says_why(store: TreeStore, write: Write, type_error: ErrorAt) -> None:
    base = write({"a.ml": OLD + "\n"})

    def script(tree: TreeId, suite: Suite) -> Answer:
        return (type_error("a.ml", 1),) if tree == base else InfrastructureError("no sandbox", "install it")

    turn = fix(
        store, ScriptedJudge(script), base, sources=[ScriptedSource([parse_reply(block("let x = 3"))])], rules=Rules()
    )
    view = fix_view(store, turn.before, turn.best, workspace="w", summary=turn.summary())
    text = " ".join(Page(render_html(ReportData(title="t", fix=view))).text.split())
    assert "? unverified: no sandbox (install it) Not fixed. Nothing is verified" in text


def test_lines_of_a_diff_are_told_apart_by_their_place() -> None:
    diff = "diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1,2 +1,2 @@\n same\n--- not a header\n+++ nor this\n"
    kinds = [line.kind for line in diff_lines(diff)]
    assert kinds == ["file", "file", "file", "hunk", "same", "remove", "add"]


def test_boxes_narrow_the_list_down_without_a_script(data: ReportData) -> None:
    several = [
        replace(data.tasks[0], keys=("answer--not-fixed", "error--type"), name="one"),
        replace(data.tasks[0], keys=("answer--fixed-as-shown", "error--type"), name="two"),
    ]
    source = render_evaluation(replace(data, tasks=tuple(several)))
    page = Page(source)
    assert page.balanced
    boxes = [attributes for tag, attributes in page.tags if tag == "input"]
    # a kind that does not tell the tasks apart has no box
    assert [box["id"] for box in boxes] == ["answer--fixed-as-shown", "answer--not-fixed"]
    assert all("checked" in box for box in boxes)
    for box in boxes:
        assert f"main:has(#{box['id']}:not(:checked)) .task.{box['id']} {{ display: none; }}" in source
        assert sum(box["id"] in attributes.get("class", "").split() for _, attributes in page.tags) == 1
    assert "fixed as shown (1)" in " ".join(page.text.split())


def test_a_task_shows_what_was_asked_and_what_the_person_did(data: ReportData) -> None:
    text = " ".join(Page(render_evaluation(data)).text.split())
    for said in ("What the model was shown", "File a.ml", "The person's own fix", "+let x = 1 + 2", "shown"):
        assert said in text
    assert "No repair was attempted." not in text
