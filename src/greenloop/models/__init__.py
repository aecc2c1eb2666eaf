"""Language models behind one seam, ``models.seam.Model``: text in, n texts out.

Invariants: a reply is the model's text as it came; a model that does not answer raises ``ModelError`` that names
what happened and the way out, and no key is ever part of an error. Absent here: prompts, edits, trees, verdicts,
the environment (keys are handed in), the home (the book of models is a folder that is handed in), and downloads of
weights.
"""
