"""Which words an example gets: from the error, from what a person called the change, from the files."""

from greenloop.mining.commits.subject import as_request, quoted
from greenloop.mining.describe import describe, describe_files
from greenloop.mining.filters import Candidate
from greenloop.mining.prompting.distribution import Distribution
from greenloop.mining.prompting.hindsight import hindsight, leaks
from greenloop.mining.prompting.rules import prompt_for
from greenloop.records import Category, Diagnostic, Origin


def prompt(id_: str, pair: Candidate, error: Diagnostic | None, title: str, distribution: Distribution) -> str | None:
    """Return what a person would have typed, or ``None`` when every wording would name what only the new code has.

    ``error`` is the one that is asked about, ``None`` where the base is green. A commit's subject, as a request, comes
    first.
    """
    if pair.origin is Origin.COMMIT:
        request = as_request(title)
        if request and not leaks(request, hindsight(pair.shown, pair.files)):
            return request
    if error is not None:
        return prompt_for(id_, error.category, pair.shown, pair.files, distribution=distribution)
    # what a commit says was tried above, and is no order as it stands
    named = title if pair.origin is Origin.FEATURE else ""
    return prompt_for(id_, Category.OTHER, (), pair.files, named, distribution=distribution)


def description(pair: Candidate, error: Diagnostic | None, title: str) -> str:
    """Return the change in full words; a commit's subject at their end."""
    words = describe_files(pair.files) if error is None else describe(error, pair.files)
    subject = quoted(title) if pair.origin is Origin.COMMIT else ""
    return f"{words} The commit says: {subject}" if subject else words
