"""Scoring models on held-out tasks, and showing how it went.

Invariants: a candidate is made, applied, protected, judged and assessed by the very code that serves people
(``candidates``); every sample is stored with its end, so a score can be recomputed from ``results.jsonl``; a task that
could not be judged is no failure and is counted apart; an interval says how it was made, or is absent.
Absent here: training code, prompts of their own, the network, the terminal.
"""
