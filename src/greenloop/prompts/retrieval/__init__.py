"""Finding code by words: chunks of files, ranked, in memory or by an index on the disk.

Invariants: what is found lies in the tree that is asked about, as it is there, unsaved buffers included; both indexes
cut, split and score alike; an index on the disk may be deleted at any time.
Absent here: choosing what to show, embeddings, and which folder is Greenloop's.
"""
