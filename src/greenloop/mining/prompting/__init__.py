"""What a person would have typed for an example: wordings, the ladder of ever shorter prompts, the draw, the checks.

``rules.prompt_for`` makes every prompt, of episodes, features, commits and synthetic examples alike, and asks nobody.
``service.rephrase`` may put a model's words in its place, but only words that pass every one of ``checks``.

Invariants: the same example and settings give the same prompt; a prompt names nothing that only the new code holds and
no line number; no model's words stand unchecked; what a model is sent is the example, and nothing beside it.
Absent here: reading settings, opening models, the home.
"""
