"""Which words an example gets: from the error, from what a person called the change, from the files."""

from greenloop.mining.commits.subject import asked, quoted
from greenloop.mining.describe import describe, describe_files
from greenloop.mining.filters import Candidate
from greenloop.mining.prompting.distribution import Distribution
from greenloop.mining.prompting.hindsight import hindsight, leaks
from greenloop.mining.prompting.rules import prompt_for
from greenloop.records import Category, Diagnostic, Origin


def prompt(id_: str, pair: Candidate, error: Diagnostic | None, said: str, distribution: Distribution) -> str | None:
    """Return what a person would have typed, or ``None`` when every wording would name what only the new code has.

    ``error`` is the first one of the base, ``None`` where that is green. A commit's subject, as a request, comes first.
    """
    if pair.origin is Origin.COMMIT:
        request = asked(said)
        if request and not leaks(request, hindsight(pair.base.diagnostics, pair.files)):
            return request
    if error is not None:
        return prompt_for(id_, error.category, pair.base.diagnostics, pair.files, distribution=distribution)
    title = said if pair.origin is Origin.FEATURE else ""
    return prompt_for(id_, Category.OTHER, (), pair.files, title, distribution=distribution)


def description(pair: Candidate, error: Diagnostic | None, said: str) -> str:
    """Return the change in full words; a commit's subject at their end."""
    words = describe_files(pair.files) if error is None else describe(error, pair.files)
    subject = quoted(said) if pair.origin is Origin.COMMIT else ""
    return f"{words} The commit says: {subject}" if subject else words
