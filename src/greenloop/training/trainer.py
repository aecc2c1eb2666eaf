"""TRL's trainer for supervised fine-tuning, on rows that are packed already."""

from typing import Any

from torch.nn.functional import cross_entropy
from trl import SFTTrainer

from greenloop.training.checkpoints import SealedCheckpoints
from greenloop.training.half import as_the_base
from greenloop.training.tokens import IGNORED

LOGGED = ("loss", "grad_norm", "learning_rate", "mean_token_accuracy", "eval_loss")
"""The curves of a run."""


class EditTrainer(SealedCheckpoints, SFTTrainer):
    """``SFTTrainer`` on packed rows; see ``checkpoints`` for what it promises."""

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """Return the mean loss over labelled tokens, as TRL does; on a CPU only their logits are computed.

        TRL 1.16 scores every position where Triton is missing, and a reply is a small part of one: with a vocabulary
        of 49,152 that took most of a step of a small model.
        """
        if return_outputs or inputs["labels"].device.type != "cpu":
            return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        targets = inputs.pop("labels")[0, 1:]
        places = (targets != IGNORED).nonzero().flatten()
        with as_the_base(model):
            logits = model(**inputs, use_cache=False, logits_to_keep=places).logits[0].float()
        wanted = targets[places]
        total = cross_entropy(logits, wanted, reduction="sum")
        mode = "train" if model.training else "eval"
        hits = (logits.argmax(-1) == wanted).float()
        self._metrics[mode]["mean_token_accuracy"].append(float(hits.mean()) if len(hits) else 0.0)
        if num_items_in_batch is None:
            return total / max(1, len(wanted))
        # the items are those of every process, and gradients are averaged over the processes
        return total * self.accelerator.num_processes / max(1, int(num_items_in_batch))
