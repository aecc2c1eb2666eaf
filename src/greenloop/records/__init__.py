"""The nouns of Greenloop: frozen, versioned data that crosses rooms or processes.

Invariants: every record is immutable, compares by value and survives ``from_json(to_json(record))``.
Absent here: input and output, clocks, randomness, and defaults read from the environment.
"""

from greenloop.records.base import FIRST_SECOND, LAST_SECOND, Part, Record
from greenloop.records.build_report import BuildReport
from greenloop.records.diagnostic import Category, Diagnostic, Severity, Span
from greenloop.records.edit import Block, DeleteFile, Edit, FileEdit, RenameFile, ReplaceBlocks, WriteFile
from greenloop.records.episode import Episode, EpisodeKind
from greenloop.records.errors import (
    Cancelled,
    Conflict,
    EditError,
    EnvironmentFault,
    GreenloopError,
    InfrastructureError,
    InputError,
    ModelError,
    NoFolder,
    Overloaded,
    RecordError,
    Refused,
)
from greenloop.records.evaluation import (
    HACKS,
    Evaluation,
    EvaluationLimits,
    EvaluationRequest,
    HiddenFile,
    HiddenResult,
    Timings,
    WarmBuild,
)
from greenloop.records.example import Example, Origin, Task
from greenloop.records.feature import Comment, Feature
from greenloop.records.feedback import Feedback, FeedbackKind
from greenloop.records.run_card import BaseModelCard, RunCard
from greenloop.records.snapshot import COMMIT, Snapshot, Workspace
from greenloop.records.suggestion import Badge, Rung, Suggestion
from greenloop.records.tree import BlobId, TreeId
from greenloop.records.verdict import Stage, StageResult, Status, Suite, TestResult, TestStatus, Verdict

__all__ = [
    "COMMIT",
    "FIRST_SECOND",
    "HACKS",
    "LAST_SECOND",
    "Badge",
    "BaseModelCard",
    "BlobId",
    "Block",
    "BuildReport",
    "Cancelled",
    "Category",
    "Comment",
    "Conflict",
    "DeleteFile",
    "Diagnostic",
    "Edit",
    "EditError",
    "EnvironmentFault",
    "Episode",
    "EpisodeKind",
    "Evaluation",
    "EvaluationLimits",
    "EvaluationRequest",
    "Example",
    "Feature",
    "Feedback",
    "FeedbackKind",
    "FileEdit",
    "GreenloopError",
    "HiddenFile",
    "HiddenResult",
    "InfrastructureError",
    "InputError",
    "ModelError",
    "NoFolder",
    "Origin",
    "Overloaded",
    "Part",
    "Record",
    "RecordError",
    "Refused",
    "RenameFile",
    "ReplaceBlocks",
    "RunCard",
    "Rung",
    "Severity",
    "Snapshot",
    "Span",
    "Stage",
    "StageResult",
    "Status",
    "Suggestion",
    "Suite",
    "Task",
    "TestResult",
    "TestStatus",
    "Timings",
    "TreeId",
    "Verdict",
    "WarmBuild",
    "Workspace",
    "WriteFile",
]
