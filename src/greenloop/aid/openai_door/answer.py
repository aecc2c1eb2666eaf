"""What came of a turn, as Markdown for a chat: what happened, the best suggestion, badge, what speaks against it."""

import re

from greenloop.aid.protocol.turns import Proposed, TurnEnded


def written(ended: TurnEnded, best: Proposed | None) -> str:
    """Return the answer of a turn that was made to its end. ``best`` is the first suggestion, if there is any."""
    parts = [ended.text.strip(), ended.summary.strip()]
    if best is not None:
        parts += [f"Badge: **{best.label}**", *_flags(best), _fenced(best.diff)]
        parts.append("Nothing was written: this is a patch for `patch -p1` in the workspace's root.")
    return "\n\n".join(part for part in parts if part)


def _flags(best: Proposed) -> list[str]:
    return ["Reasons for mistrust:\n\n" + "\n".join(f"- {flag}" for flag in best.flags)] if best.flags else []


def _fenced(diff: str) -> str:
    # code may hold fences of its own
    longest = max(map(len, re.findall("`+", diff)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}diff\n{diff.rstrip(chr(10))}\n{fence}"
