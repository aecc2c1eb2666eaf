"""TRL's GRPO trainer, fed by the pipeline: its loss, its clipping and its loop; its generation and rewards replaced.

TRL 1.16 draws a batch, waits for its rewards and learns, in this order, within one method. Here drawing and judging
overlap (``pipeline``), groups without variance cost no gradient step, and what is in flight goes into the checkpoint.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from trl import GRPOTrainer

from greenloop.training import rollouts
from greenloop.training.checkpoints import SealedCheckpoints, diverged
from greenloop.training.generating import NotFiniteError
from greenloop.training.half import as_the_base
from greenloop.training.pipeline import Lesson, Pipeline, Row
from greenloop.training.shared_prompt import has_shared_prompt, reply_logits
from greenloop.training.watch import WATCHED

LOGGED = ("loss", "grad_norm", "learning_rate", "entropy", "clip_ratio/region_mean", *WATCHED, "waited")
"""The curves of a run; ``waited`` is in seconds."""


class VerdictTrainer(SealedCheckpoints, GRPOTrainer):
    """See the module. ``pipeline`` gives each step its lesson; ``ratio_cap`` bounds the weights of foreign replies."""

    def __init__(self, pipeline: Pipeline, *, ratio_cap: float, **options: Any) -> None:
        super().__init__(reward_funcs=_unused, **options)
        self._pipeline = pipeline
        self._ratio_cap = ratio_cap
        self._lesson: Lesson | None = None
        self._share: dict[str, Any] = {}

    def training_step(self, model: Any, inputs: Any, num_items_in_batch: Any = None) -> Any:
        """Learn from the next rows of the step's lesson; where none are left there is no gradient."""
        size, many = self.args.per_device_train_batch_size, self.args.gradient_accumulation_steps
        place = self._step % many
        if place == 0:
            self._lesson = self._next_lesson()
        assert self._lesson is not None, "a step begins with its first rows"
        rows = self._lesson.rows[place * size : (place + 1) * size]
        if not rows:
            self._step += 1
            return torch.zeros((), device=self.accelerator.device)
        self._share = self._tensors(rows, sum(len(row.rollout.ids) for row in self._lesson.rows))
        return super().training_step(model, inputs, num_items_in_batch)

    def _next_lesson(self) -> Lesson:
        self.model.eval()
        try:
            found = self._pipeline.turn(self.state.global_step, self.model, self._score)
        except NotFiniteError as error:
            raise diverged(self, str(error)) from error
        self.model.train()
        for name, value in found.measures.items():
            self._metrics["train"][name].append(value)
        self.state.num_input_tokens_seen += found.tokens
        return found

    def _prepare_inputs(self, _generation_batch: Any) -> Any:
        return self._share

    def _score(self, prompt: Sequence[int], replies: Sequence[tuple[int, ...]]) -> list[torch.Tensor]:
        size = self.args.per_device_train_batch_size
        found: list[torch.Tensor] = []
        for start in range(0, len(replies), size):
            part = replies[start : start + size]
            ids, mask = self._padded(part, left=False)
            asked = torch.tensor([prompt], device=ids.device).repeat(len(part), 1)
            with torch.no_grad():
                logps, _, _ = self._get_per_token_logps_and_entropies(
                    self.model,
                    torch.cat([asked, ids], dim=1),
                    torch.cat([torch.ones_like(asked), mask], dim=1),
                    ids.size(1),
                )
            found += [row[: len(reply)].float().cpu().clone() for row, reply in zip(logps, part, strict=True)]
        return found

    def _tensors(self, rows: Sequence[Row], total: int) -> dict[str, Any]:
        prompts, prompt_mask = self._padded([row.prompt for row in rows], left=True)
        ids, mask = self._padded([row.rollout.ids for row in rows], left=False)
        old = torch.zeros(ids.shape, device=ids.device)
        weight = torch.ones(ids.shape, device=ids.device)
        for number, row in enumerate(rows):
            one = row.rollout
            old[number, : len(one.ids)] = one.logps.to(ids.device)
            if one.drawn is not None:
                ratio = torch.exp(torch.nan_to_num(one.logps - one.drawn)).clamp(max=self._ratio_cap)
                weight[number, : len(one.ids)] = ratio.to(ids.device)
        compared = torch.tensor([row.advantage for row in rows], device=ids.device)
        return {
            "prompt_ids": prompts,
            "prompt_mask": prompt_mask,
            "completion_ids": ids,
            "completion_mask": mask,
            # a token's weight where another engine drew it: truncated importance sampling
            "advantages": compared[:, None] * weight,
            "num_items_in_batch": torch.tensor(float(total), device=ids.device),
            "old_per_token_logps": old,
        }

    def _padded(self, rows: Sequence[Sequence[int]], *, left: bool) -> tuple[torch.Tensor, torch.Tensor]:
        width, filler = max(map(len, rows)), self._tokenizer.pad_token_id
        ids = torch.full((len(rows), width), filler, device=self.accelerator.device)
        mask = torch.zeros_like(ids)
        for number, row in enumerate(rows):
            place = slice(width - len(row), width) if left else slice(0, len(row))
            ids[number, place] = torch.tensor(row, device=ids.device)
            mask[number, place] = 1
        return ids, mask

    def _get_per_token_logps_and_entropies(
        self, model: Any, input_ids: Any, attention_mask: Any, logits_to_keep: int, *rest: Any, **options: Any
    ) -> Any:
        """Compute as TRL does; on a CPU of replies alone (see ``trainer``), and a shared prompt only once."""
        if input_ids.device.type != "cpu":
            return super()._get_per_token_logps_and_entropies(
                model, input_ids, attention_mask, logits_to_keep, *rest, **options
            )
        with as_the_base(model):
            if has_shared_prompt(input_ids, attention_mask, logits_to_keep):
                logits = reply_logits(model, input_ids[0, :-logits_to_keep], input_ids[:, -logits_to_keep:])
            else:
                logits = model(
                    input_ids=input_ids,
                    attention_mask=attention_mask,
                    use_cache=False,
                    logits_to_keep=logits_to_keep + 1,
                ).logits[:, :-1]
        every = torch.log_softmax(logits.float() / self.temperature, dim=-1)
        logps = every.gather(-1, input_ids[:, -logits_to_keep:, None]).squeeze(-1)
        with torch.no_grad():
            entropies = -(every.exp() * every).sum(-1) if options.get("compute_entropy") else None
        return logps, entropies, None

    def add_to_checkpoint(self, folder: Path) -> None:
        """Keep the replies that are being judged: they were drawn with weights that are gone."""
        if self._pipeline.ahead is not None:
            rollouts.save(self._pipeline.ahead, folder)


def _unused(**_: Any) -> list[float]:
    raise AssertionError("rewards come from the pipeline")
