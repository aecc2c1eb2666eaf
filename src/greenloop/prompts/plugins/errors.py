"""The build's errors: the one that the question is about, and with what is left the others."""

from greenloop.prompts.diagnostics import show_diagnostic
from greenloop.prompts.plugins.seam import Desk
from greenloop.prompts.question import ShownError
from greenloop.records import Diagnostic, InputError

_MAX_FURTHER_ERRORS = 8
_FURTHER_MESSAGE_BYTES = 600


class FirstError:
    """The error, as the compiler prints it; a long message is cut."""

    def choose(self, desk: Desk) -> None:
        """Choose the error. Raises ``InputError`` when there is no room for it: nothing else would make sense."""
        error, draft = desk.error, desk.draft
        if error is None:
            return
        # a token is about three bytes of a message, so the first try gives it half of the room
        for share in (1.5, 0.75, 0.25):
            for with_code in (True, False):
                shown = _shown(desk, error, int(draft.ceiling * share), with_code=with_code)
                if draft.add_error(shown, "the error that the question is about"):
                    return
        raise InputError(
            f"a budget of {draft.ceiling} tokens does not hold the error in {error.path or 'the build'}",
            "give a larger token budget",
        )


class FurtherErrors:
    """The other errors of the build, the first of them first."""

    def choose(self, desk: Desk) -> None:
        """Choose up to eight more."""
        others = [one for one in desk.errors if one != desk.error]
        for error in others[:_MAX_FURTHER_ERRORS]:
            desk.draft.add_error(_shown(desk, error, _FURTHER_MESSAGE_BYTES), "another error of the same build")


def _shown(desk: Desk, error: Diagnostic, message_bytes: int, *, with_code: bool = True) -> ShownError:
    file = desk.file_of(error)
    lines = file.bare_lines if file is not None and with_code else ()
    return ShownError(error, show_diagnostic(error, lines, message_bytes=message_bytes))
