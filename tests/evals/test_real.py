"""A run with the real compiler in the real sandbox; only the model is scripted."""

from collections.abc import Callable, Mapping
from pathlib import Path

from greenloop.builds.engine import Engine
from greenloop.builds.sandbox import Bubblewrap
from greenloop.builds.toolchains.ocaml_file import OcamlFile
from greenloop.builds.verdicts import VerdictStore
from greenloop.candidates.attempt import Outcome
from greenloop.candidates.sampling import Sampling
from greenloop.evals.report import ReportData, render_html, task_views
from greenloop.evals.results import ResultsFolder
from greenloop.evals.run import run
from greenloop.models.scripted import ScriptedModel
from greenloop.models.seam import Request
from greenloop.records import Asking, Suite, Task, TreeId
from greenloop.workspace.store import TreeStore

Write = Callable[[Mapping[str, str]], TreeId]

FILES = (
    "let double x = x * 2\nlet half = double 2.5\nlet () = print_int half\n",
    'let greet name = "Hello, " ^ nam\nlet () = print_endline (greet "you")\n',
    "let rec last = function\n  | [] -> None\n  | [x] -> Some x\n  | _ :: rest -> last rest in\n"
    "let () = ignore (last [1])\n",
)
RIGHT = (
    ("let half = double 2.5", "let half = double 2"),
    ('let greet name = "Hello, " ^ nam', 'let greet name = "Hello, " ^ name'),
    ("  | _ :: rest -> last rest in", "  | _ :: rest -> last rest"),
)


def block(path: str, old: str, new: str) -> str:
    return f"{path}\n<<<<\n{old}\n====\n{new}\n>>>>\n"


def replies(request: Request) -> list[str]:
    """For each task: a fix, a stub, a file outside, a test file, nonsense, and nothing."""
    text = request.messages[-1].content
    old, new = next((old, new) for old, new in RIGHT if old in text)
    return [
        block("a.ml", old, new),
        block("a.ml", old, f'{old.split("=")[0]}= failwith "TODO"' if "=" in old else '  | _ -> failwith "TODO"'),
        block("../a.ml", old, new),
        "test/test_a.ml\n```ocaml\nlet () = ()\n```\n",
        "The type is wrong.",
        "",
    ]


def test_scores_of_a_model_that_fixes_stubs_and_cheats(store: TreeStore, write: Write, tmp_path: Path) -> None:
    judge = Engine(
        store=store,
        verdicts=VerdictStore(tmp_path / "verdicts.db"),
        toolchain=OcamlFile(),
        sandbox=Bubblewrap(),
        scratch=tmp_path / "scratch",
    )
    tasks = []
    for number, text in enumerate(FILES):
        verdict = judge.judge(write({"a.ml": text}), Suite.CHECK)
        tasks.append(
            Task(
                id=f"t{number}",
                author=f"author {number}",
                base=verdict.tree,
                prompt="fix that error",
                diagnostics=verdict.diagnostics,
                category=verdict.errors[0].category,
                suite=Suite.CHECK,
            )
        )
    report = run(
        tasks,
        ScriptedModel(replies),
        judge,
        store,
        sampling=Sampling(greedy=0, sampled=6),
        k=3,
        asking=Asking(budget_tokens=1200),
        out_dir=tmp_path / "run",
    )
    assert (report.fixed_at_1, report.fixed_at_k) == (1 / 6, 0.5)
    ends = {
        task: [(attempt.outcome, attempt.reason) for attempt in result.attempts]
        for task, result in ResultsFolder(tmp_path / "run").read().items()
    }
    for end in ends.values():
        assert end[0] == (Outcome.JUDGED, "")
        assert end[1] == (Outcome.JUDGED, "stub")
        assert end[2] == (Outcome.UNREADABLE, "outside-tree")
        assert end[3] == (Outcome.PROTECTED, "protected")
        assert end[4] == (Outcome.UNREADABLE, "no-edit")
        assert end[5] == (Outcome.UNREADABLE, "empty")
    assert {rate.name: rate.count for rate in report.rates}["types"] == 6

    views, left_out = task_views(
        store, tasks, ResultsFolder(tmp_path / "run").read().values(), asking=Asking(budget_tokens=1200)
    )
    page = render_html(ReportData(title="t", evaluation=report, tasks=views, tasks_left_out=left_out))
    assert "+let half = double 2" in page
    assert "1 of 6 fixed" in page
