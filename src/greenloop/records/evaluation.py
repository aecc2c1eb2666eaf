"""What the code evaluation service is asked and what it answers: a judged edit, with all that makes it credible.

An evaluation is more than the verdict on the tree to which the edit leads: it knows the base, so it can tell what was
put back, what was added that deserves mistrust, and which of the base's tests are no longer heard of. It holds facts
only; what they are worth as a reward is the client's policy.
"""

from typing import Self

from pydantic import Field, model_validator

from greenloop.records.base import Part, Record
from greenloop.records.diagnostic import Diagnostic
from greenloop.records.edit import Edit
from greenloop.records.suggestion import Rung
from greenloop.records.tree import TreeId
from greenloop.records.verdict import Stage, StageResult, Status, Suite, TestResult

HACKS = ("exit", "stub", "unsafe", "external", "silenced-warning", "shadow", "peek", "test-changed")
"""The flags that, unless a task says otherwise, keep a green tree from counting as green: see ``builds.lint``."""


class EvaluationLimits(Part):
    """What one evaluation may use. A service never grants more than its own settings; ``None`` takes those."""

    seconds: float | None = Field(default=None, gt=0)
    """Wall clock of each stage, in seconds."""
    memory_mib: int | None = Field(default=None, ge=64)
    """MiB of memory of each process."""
    output_kib: int | None = Field(default=None, ge=16)
    """KiB of output kept of each stage."""


class HiddenFile(Part):
    """A test file that the task supplies and that no model ever sees; laid over the result for a run of its own."""

    path: str
    content: str
    executable: bool = False


class EvaluationRequest(Record):
    """An edit to a base, and how it is to be judged.

    The base is a ``revision`` that the service knows how to find (``NAME@REV``, or ``REV`` where it serves one
    repository), or a ``base_tree`` that its tree store holds. With both, the edit applies to ``base_tree`` and the
    build of ``revision`` is the warm one beneath: so is a red workspace judged. Exactly one of ``edit`` and
    ``diff`` (a unified diff) is given.
    """

    revision: str | None = None
    base_tree: TreeId | None = None
    edit: Edit | None = None
    diff: str | None = None
    suite: Suite = Suite.TEST
    """How far to judge. A list ``stages`` is read in its place: all stages up to its last."""
    limits: EvaluationLimits = EvaluationLimits()
    allowed: tuple[str, ...] = ()
    """Globs of protected files (tests, build files, expectations) that this task lets the edit change."""
    hidden: tuple[HiddenFile, ...] = ()
    expected_tests: tuple[str, ...] | None = None
    """Tests that must be seen to pass; ``None`` demands those that pass in the base. A name that stands twice has to
    pass twice. Counts, like ``hidden`` and ``repeats``, where the suite is ``test``."""
    expected_hidden: tuple[str, ...] | None = None
    """Tests that must be seen to pass in the run with the hidden files, as the toolchain names them. Without any,
    one at least is demanded that the run without the files did not show, where the toolchain names tests: files that
    replace tests of the base under their old names need this list."""
    refuse: tuple[str, ...] = HACKS
    """Flags that turn a green tree into a red evaluation; empty leaves the judgement to the reader."""
    repeats: int = Field(default=1, ge=1, le=20)
    """How often the tests are run. Tests that do not always agree are flaky: quarantined where they disagree in the
    base as well, else the edit's own fault (reason ``flaky``)."""
    fresh: bool = False
    """Judge even what was judged before."""
    idempotency_key: str | None = Field(default=None, min_length=1, max_length=200)

    @model_validator(mode="before")
    @classmethod
    def _read_stages(cls, data: object) -> object:
        if not isinstance(data, dict) or "stages" not in data:
            return data
        body = dict(data)
        stages = body.pop("stages")
        named = {tuple(stage.value for stage in suite.stages): suite.value for suite in Suite}
        asked = named.get(tuple(stages)) if isinstance(stages, list | tuple) else None
        if asked is None:
            raise ValueError(f"`stages` is one of {', '.join(str(list(one)) for one in named)}")
        if str(body.setdefault("suite", asked)) != asked:
            raise ValueError(f"`stages` says {asked!r}, `suite` says {body['suite']!r}: give one of them")
        return body

    @model_validator(mode="after")
    def _says_one_thing(self) -> Self:
        if self.revision is None and self.base_tree is None:
            raise ValueError("name a base: `revision` or `base_tree`")
        if (self.edit is None) == (self.diff is None):
            raise ValueError("give exactly one of `edit` and `diff`")
        if self.expected_hidden is not None and not self.hidden:
            raise ValueError("`expected_hidden` names tests of hidden files: give `hidden` with it")
        return self


class Timings(Part):
    """Where the wall clock of an evaluation went, in milliseconds; the tools' own time is in the stages."""

    queued_ms: float = Field(default=0.0, ge=0)
    """Waiting for a worker that others kept busy."""
    apply_ms: float = Field(default=0.0, ge=0)
    """Reading and applying the edit, putting protected files back, flags."""
    judge_ms: float = Field(default=0.0, ge=0)
    """Laying the tree out, the sandbox, the tools and reading what they said."""
    store_ms: float = Field(default=0.0, ge=0)
    """Looking up and storing."""
    total_ms: float = Field(default=0.0, ge=0)
    """From the arrival of the request to its answer, waiting included."""


class HiddenResult(Part):
    """What the hidden tests came to: never a name, a message or a line of them.

    The code under test runs beside the hidden files, can read them, and prints what it likes. So nothing that is
    printed in that run is told, nor how much of it.
    """

    status: Status
    passed: int | None = Field(default=None, ge=0)
    """How many of the request's ``expected_hidden`` were seen to pass; ``None`` where it names none."""
    failed: int | None = Field(default=None, ge=0)
    """How many of them were not."""


class Evaluation(Record):
    """What an edit came to. ``status`` is what a client acts on; the other fields say why.

    ``green``: the result tree is green by the whole suite (but for tests in quarantine), all expected tests passed,
    the hidden ones too, and no refused flag was found. ``red``: it is not. ``rejected``: the edit was not judged (it
    does not apply, reaches outside, or the tools broke down on it). ``timeout``: a stage took too long.
    ``infra_error``: says nothing about the code, and is never stored.
    """

    id: str
    """Digest of the request's content and the toolchain: the same question has the same id."""
    status: Status
    reason: str = ""
    """A short stable word where the stages alone do not explain the status: ``no-match``, ``outside-tree``,
    ``tests-missing``, ``hidden-tests``, ``hack``, ``flaky`` (the edit made a test disagree with itself), ``protected``
    (it changed nothing but what was put back), ``tool-failed`` (the tools broke down on it) …"""
    note: str = ""
    base: TreeId | None = None
    result: TreeId | None = None
    """The tree that was judged, protected files put back, without hidden tests."""
    suite: Suite = Suite.TEST
    tree_status: Status | None = None
    """The stored verdict on ``result`` alone, before expected tests, hidden tests and flags had their say."""
    stage: Stage | None = None
    """The stage reached."""
    stages: tuple[StageResult, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()
    tests: tuple[TestResult, ...] = ()
    hidden: HiddenResult | None = None
    flags: tuple[str, ...] = ()
    """Reasons for mistrust: those of ``builds.lint``, ``tamper``, ``name-removed``, ``tests-missing``, ``flaky``,
    ``unnamed-tests`` (the tests named no result: only their exit status is known), ``unsandboxed``."""
    restored: tuple[str, ...] = ()
    """Protected files that the edit changed, and that were put back."""
    flaky: tuple[str, ...] = ()
    """Tests in quarantine whose end was not counted, and those that the edit made disagree."""
    rung: Rung | None = None
    """How literally the edit matched; rewards count ``EXACT`` only."""
    toolchain: str = ""
    sandboxed: bool = True
    seen_before: bool = False
    """The answer comes from the store: nothing was run."""
    timings: Timings = Timings()

    @property
    def green(self) -> bool:
        """Whether the edit is good code by everything that was asked."""
        return self.status is Status.GREEN


class WarmBuild(Record):
    """A green build that the service holds ready, or is making."""

    revision: str
    """The name under which it was last asked for; ``names`` holds all of them, the last first."""
    tree: TreeId
    names: tuple[str, ...] = ()
    state: str = Field(pattern="^(queued|warming|green|red|failed|evicted)$")
    """Edits are judged above ``green`` ones only; ``red`` and ``failed`` (with the reason in ``note``) never are."""
    toolchain: str = ""
    tests: tuple[str, ...] = ()
    """The tests that passed in it, which edits to it are expected to pass."""
    flaky: tuple[str, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()
    bytes: int = Field(default=0, ge=0)
    """Disk that it takes."""
    seconds: float = Field(default=0.0, ge=0)
    """Wall clock that warming took."""
    uses: int = Field(default=0, ge=0)
    """Evaluations judged above it."""
    note: str = ""
