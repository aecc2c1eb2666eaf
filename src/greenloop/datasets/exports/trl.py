"""TRL's conversational prompt-completion columns: ``prompt`` and ``completion``, each a list of messages.

With these ``SFTTrainer`` computes the loss on the completion alone (TRL 1.16, "Dataset formats" and
``completion_only_loss``), and takes the chat template of the model. Its other conversational type, ``messages``, is the
format ``chat``; a file never has both, for TRL goes by the columns that it finds.
"""

from greenloop.datasets.exports.messages import messages
from greenloop.datasets.exports.seam import Asked, Format, json_lines


def _write(asked: Asked) -> bytes:
    return json_lines({"prompt": turns[:-1], "completion": turns[-1:]} for turns in messages(asked))


FORMAT = Format("trl", "JSON lines with `prompt` and `completion` as lists of messages, TRL's columns", "jsonl", _write)
