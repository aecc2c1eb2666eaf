"""What became of one proposal."""

from enum import StrEnum

from pydantic import Field

from greenloop.records import Edit, Record, Rung, TreeId, Verdict


class Outcome(StrEnum):
    """How far a proposal came."""

    UNREADABLE = "unreadable"
    """The reply holds no edit."""
    REFUSED = "refused"
    """The edit does not apply, or may not."""
    UNCHANGED = "unchanged"
    """The edit applies and changes nothing."""
    PROTECTED = "protected"
    """The edit changes nothing but protected files, which were put back."""
    UNJUDGED = "unjudged"
    """The edit applies, and nobody judged the tree: past the bound, or a fault of the machine."""
    JUDGED = "judged"


class Attempt(Record):
    """One proposal and its end: every sample that a model gave, and every edit that a rule made, is one.

    ``reason`` is a short stable word for statistics, empty when there is nothing to explain; ``detail`` is the
    sentence for people. ``verdict`` is that on ``result``, also where that is the base itself.
    """

    index: int = Field(ge=0)
    source: str
    """The model's name, or what made the edit without one."""
    outcome: Outcome
    reason: str = ""
    detail: str = ""
    reply: str | None = None
    """The model's text, untouched; ``None`` where no model spoke."""
    finish_reason: str = ""
    greedy: bool = False
    """Decoded greedily, so it is no independent sample."""
    prompt_tokens: int = Field(default=0, ge=0)
    reply_tokens: int = Field(default=0, ge=0)
    seconds: float = Field(default=0.0, ge=0)
    """Wall clock of making the proposal, its share of a batch; judging is not in it."""
    likelihood: float | None = None
    """How likely its source held it before any judgement: the logarithm of a share; ``None`` where it said nothing."""
    preference: float | None = None
    """How likely the model holds it among the fixes of the same error, whoever made them: the logarithm of a share;
    ``None`` where it was not asked (``weighing``)."""
    votes: int = Field(default=1, ge=1)
    """How many proposals led to the same tree, this one among them: set where equal ones are made one (``ranking``)."""
    sources: int = Field(default=1, ge=1)
    """How many different sources they came from."""
    edit: Edit | None = None
    """What takes the base to ``result``."""
    rung: Rung | None = None
    """How literally the edit matched; ``None`` if it did not apply."""
    result: TreeId | None = None
    restored: tuple[str, ...] = ()
    """Protected files that the edit changed, and that were put back before judging."""
    verdict: Verdict | None = None
    fixed: bool = False
    """By ``builds.fixed``; always false where the base was not red."""
    changed_lines: int = Field(default=0, ge=0)
    flags: tuple[str, ...] = ()
    """Reasons for mistrust: those of ``builds.lint``, ``tamper`` and ``name-removed``."""

    @property
    def applies(self) -> bool:
        """Whether the edit was read and applied, whatever it changed."""
        return self.rung is not None

    @property
    def exact(self) -> bool:
        """Whether every place of the edit matched literally."""
        return self.rung is Rung.EXACT
