"""What a run leaves behind: one line a task, and the settings under which the lines were made."""

from dataclasses import dataclass
from pathlib import Path

from pydantic import Field

from greenloop.candidates.attempt import Attempt
from greenloop.records import Asking, Category, InputError, Origin, Part, Record, RecordError, TreeId
from greenloop.storage import named_io_errors, write_atomically
from greenloop.storage.lines import append_line, read_lines


class RunSettings(Record):
    """All that a score depends on besides the tasks. Results of different settings are never mixed."""

    greenloop: str
    """Version of Greenloop, whose prompts and rules these are."""
    dataset: str
    """Version of the dataset; of a file of sessions, ``sessions-`` and the digest of all that was mined from it."""
    part: str = ""
    """Which of its examples were asked: a part, and the authors if they were named."""
    model: str
    toolchain: str
    greedy: int
    sampled: int
    temperature: float
    max_tokens: int
    seed: int
    asking: Asking
    """How the model was asked: part of what a trained model is."""
    protected: tuple[str, ...]
    sources: tuple[str, ...] = ()
    """What was asked beside the model, as ``greenloop fix`` asks it; it counts for what is shown alone."""
    runner: str = ""
    """Fingerprint of what ran the programs for *same*; empty where nothing did."""
    weighed: bool = False
    """Whether the model said which of several fixes it holds likelier."""


class Marks(Part):
    """What one attempt is worth by the three measures (see ``evals.measures``); ``None`` where one does not apply."""

    fixed: bool
    same: bool | None = None
    exact: bool | None = None


class TaskResult(Record):
    """One task, all its samples, and what they are worth.

    What is known of the person's own edit, if anything is: ``target``, the tree that it led to, ``size``, its changed
    lines, and ``origin``.
    """

    task: str
    author: str
    base: TreeId
    prompt: str
    category: Category
    size: int | None = Field(default=None, ge=0)
    target: TreeId | None = None
    origin: Origin | None = None
    red: bool
    """Whether the base is red under this toolchain; where it is not there is nothing to fix, and no attempt."""
    whole: bool = False
    """A whole-file task: the person's own result is green, and a program of one file that can be run."""
    quarantined: str = ""
    """Why *same* is not counted though the task is a whole-file one: its program is not the same from run to run."""
    results: int | None = Field(default=None, ge=0)
    """How many values, functions left out, the person's own program prints."""
    attempts: tuple[Attempt, ...] = ()
    """As ``greenloop fix`` asks: those of further sources, then the model's, its greedy reply first."""
    marks: tuple[Marks, ...] = ()
    """One for each attempt."""
    shown: int | None = None
    """The attempt that would be put before a person; ``None`` where none led to a new tree."""
    judging_seconds: float = Field(default=0.0, ge=0)
    """Wall clock of judging all attempts; what was judged before costs nothing."""

    @property
    def replies(self) -> tuple[int, ...]:
        """The attempts that are a model's, by place."""
        return tuple(place for place, attempt in enumerate(self.attempts) if attempt.reply is not None)

    @property
    def greedy(self) -> int | None:
        """The greedy reply, by place."""
        return next((place for place in self.replies if self.attempts[place].greedy), None)

    @property
    def sampled(self) -> tuple[int, ...]:
        """The sampled replies, by place."""
        return tuple(place for place in self.replies if not self.attempts[place].greedy)


@dataclass(frozen=True, slots=True)
class ResultsFolder:
    """``run.json``, ``results.jsonl`` and ``report.json`` in one folder."""

    path: Path

    @property
    def results(self) -> Path:
        """The file of results."""
        return self.path / "results.jsonl"

    @property
    def report(self) -> Path:
        """The file of the last report."""
        return self.path / "report.json"

    def open(self, settings: RunSettings) -> dict[str, TaskResult]:
        """Begin or resume a run: return the results that are there, task → result, those of a torn line left out.

        Raises ``InputError`` when the folder holds results of other settings, ``RecordError`` when it is damaged.
        """
        held = self.settings()
        if held is None:
            write_atomically(self.path / "run.json", settings.to_json().encode() + b"\n")
            return {}
        differing = [name for name in RunSettings.model_fields if getattr(held, name) != getattr(settings, name)]
        if differing:
            name = differing[0]
            raise InputError(
                f"{self.path}: holds results of another run: {name} was {getattr(held, name)!r}, "
                f"now it is {getattr(settings, name)!r}",
                "choose another folder for this run",
            )
        return self.read()

    def settings(self) -> RunSettings | None:
        """Return the settings of the run that the folder holds, or ``None`` when it holds none."""
        path = self.path / "run.json"
        with named_io_errors(path):
            if path.exists():
                return RunSettings.from_json(path.read_text("utf-8"))
            if self.results.exists():
                raise InputError(f"{self.results}: results without their run.json", "choose another folder")
        return None

    def append(self, result: TaskResult) -> None:
        """Add one task's result; it is on the disk when this returns."""
        append_line(self.results, result.to_json())

    def read(self) -> dict[str, TaskResult]:
        """Return task → result. A line that a crash cut off is left out, so that its task is run again."""
        lines = read_lines(self.results)
        whole = (*lines.whole, *([] if lines.torn is None else [lines.torn]))
        found: dict[str, TaskResult] = {}
        for number, text in whole:
            try:
                result = TaskResult.from_json(text)
            except RecordError as error:
                if "not JSON" in error.message and text.startswith("{"):
                    continue
                raise RecordError(f"{self.results}:{number}: {error.message}", error.way_out) from error
            found.setdefault(result.task, result)
        return found
