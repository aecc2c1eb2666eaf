"""Training: a recipe becomes a run folder with an adapter or a model, its curves, its log and its card.

Invariants: prompts and replies are those that ``prompts`` renders, and their token ids those that serving evaluates;
the loss counts the reply alone; packed examples never see each other; a run that was killed goes on from its last whole
checkpoint with the same losses and rewards; what nobody could judge has no reward, and never one of 0; replies are
judged on the path of evaluation, and by no other; weights are safetensors or GGUF, never a pickle, and no code of a
model is ever run. Absent here: serving, the home directory, toolchains (who judges is handed in).

``torch``, ``transformers``, ``trl`` and ``peft`` are imported here and nowhere else. ``HF_HUB_OFFLINE`` is set below
before any of them is: a model is a folder or a file on this machine, never a name that is looked up. With
``TQDM_DISABLE`` progress is left to whoever asked for a run.
"""

import os

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TQDM_DISABLE"] = "1"
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
