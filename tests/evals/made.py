"""Results made by hand, for what only counts."""

from greenloop.candidates.attempt import Attempt, Outcome
from greenloop.evals.results import Marks, RunSettings, TaskResult
from greenloop.records import Asking, Category, Origin

SETTINGS = RunSettings(
    greenloop="1", dataset="d", part="test", model="m", toolchain="t", greedy=1, sampled=2, temperature=0.8,
    max_tokens=256, seed=0, asking=Asking(budget_tokens=800), protected=(),
)  # fmt: skip


def attempt(
    place: int, *, fixed: bool, greedy: bool = False, reply: str | None = "no", seconds: float = 1.0
) -> Attempt:
    return Attempt(
        index=place,
        source="m",
        outcome=Outcome.JUDGED,
        reason="" if fixed else "error-left",
        reply=reply,
        greedy=greedy,
        prompt_tokens=100,
        reply_tokens=10,
        seconds=seconds,
        fixed=fixed,
    )


def result(
    task: str,
    author: str,
    *,
    greedy: bool,
    sampled: tuple[bool, ...],
    same: tuple[bool, ...] | None = None,
    category: Category = Category.TYPE,
    replies: tuple[str, ...] | None = None,
) -> TaskResult:
    """A task with one greedy reply and sampled ones; ``same`` for each of them, where it applies."""
    ends = (greedy, *sampled)
    texts = replies or tuple(f"{task} {place}" for place in range(len(ends)))
    return TaskResult(
        task=task,
        author=author,
        base="0" * 40,
        prompt="fix it",
        category=category,
        size=1,
        origin=Origin.EPISODE,
        red=True,
        whole=same is not None,
        results=None if same is None else 1,
        attempts=tuple(
            attempt(place, fixed=fixed, greedy=place == 0, reply=texts[place]) for place, fixed in enumerate(ends)
        ),
        marks=tuple(Marks(fixed=fixed, same=None if same is None else same[place]) for place, fixed in enumerate(ends)),
        shown=0,
    )
