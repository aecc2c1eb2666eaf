"""What Greenloop brings of its own: a LoRA adapter on the embedded SmolLM2, and the card of the run that made it.

It was trained on edits of people who learnt OCaml: it is good for small build errors of OCaml and for nothing else.
docs/models.md says how it scores, and how to make both files again.
"""

from pathlib import Path

from greenloop.records import RunCard

BASE = "smollm2"
"""What the embedded model without the adapter is called, in recipes and where a model is named."""
ADAPTER = Path(__file__).parent / "adapter.gguf"
CARD = Path(__file__).parent / "card.json"


def card() -> RunCard:
    """Return the card of the run that made the adapter; it says how the model is asked."""
    return RunCard.from_json(CARD.read_text("utf-8"))
