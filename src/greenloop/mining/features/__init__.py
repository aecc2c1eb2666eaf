"""Features, read from where people keep them: revisions of a repository, exported pull and merge requests.

Invariants: an importer reads what it is given and the repository at hand, nothing else; a review comment that stands
in the source is no part of the edit. Absent here: the network, judgement, splitting.
"""
