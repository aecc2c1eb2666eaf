"""A start without a history: a green tree is broken in typed, known ways, and the way back is an example.

Invariants: where a mutant may stand is read from the syntax tree, never from text; the tree, the seed and the kinds
decide every mutant and their order; a mutant changes one file; no example is made unless a build or a test turned its
tree red where the green one was green three times; its edit leads back to the green tree by id; what a reader of the
broken tree could not know is not asked for unless a test says so; each kind counts what it dropped.
Absent here: files on disk, clocks, models, a person's name.

A kind of mutation is one function in the file of its family; ``registry`` lists them.
"""
