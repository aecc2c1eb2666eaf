"""From a pair of judged trees to an example, or to the name of the rule against it."""

import hashlib
from dataclasses import dataclass

from greenloop.builds.fixed import error_left
from greenloop.mining import wording
from greenloop.mining.filters import LEAKING, Candidate, filters
from greenloop.mining.own import Accepted
from greenloop.mining.rules import Rules
from greenloop.records import Category, Example, Origin, Suite, TreeId, Verdict
from greenloop.workspace.store import TreeStore


@dataclass(frozen=True, slots=True)
class Proposal:
    """A fix or a change that may become an example. ``time`` is when its target was first seen, in Unix seconds.

    ``accepted`` is what people took over from Greenloop's suggestions. ``episode`` names the run of
    red, or the commit. ``title`` is what a person called it, such as a commit's subject; empty where nobody did.
    """

    base: Verdict
    targets: tuple[Verdict, ...]
    origin: Origin
    workspace: str
    author: str
    time: float
    suite: Suite
    accepted: Accepted
    rules: Rules
    episode: str = ""
    title: str = ""

    def target(self, store: TreeStore) -> Verdict:
        """Return the first of the targets at which the error is gone; the first of all where it never is."""
        gone = (target for target in self.targets if not error_left(store, self.base, target))
        return self.targets[0] if len(self.targets) == 1 else next(gone, self.targets[0])


def example_of(store: TreeStore, proposal: Proposal) -> Example | str:
    """Return the example, or the name of the filter that drops it."""
    target = proposal.target(store)
    pair = Candidate(store, proposal.base, target, proposal.origin, accepted=proposal.accepted)
    against = next((rule.name for rule in filters(proposal.rules) if rule.drops(pair)), None)
    if against is not None:
        return against
    assert pair.edit is not None, "a filter drops pairs without an exact edit"
    error = pair.error
    id_ = example_id(pair.base.tree, pair.target.tree, proposal.suite)
    prompt = wording.prompt(id_, pair, error, proposal.title, proposal.rules.prompts)
    if prompt is None:
        return LEAKING
    return Example(
        id=id_,
        workspace=proposal.workspace,
        author=proposal.author,
        time=proposal.time,
        base=pair.base.tree,
        target=pair.target.tree,
        edit=pair.edit,
        prompt=prompt,
        description=wording.description(pair, error, proposal.title),
        diagnostics=pair.shown,
        category=Category.OTHER if error is None else error.category,
        changed_lines=pair.changed_lines,
        toolchain=pair.base.toolchain,
        suite=proposal.suite,
        origin=proposal.origin,
        episode=proposal.episode,
    )


def example_id(base: TreeId, target: TreeId, suite: Suite) -> str:
    """Return the id of an example: 16 hexadecimal digits from its trees and its suite."""
    return hashlib.sha256(f"{base} {target} {suite.value}".encode()).hexdigest()[:16]
