"""The service over many machines: Ray actors behind the seam of ``ces.backend``.

Every node of a Ray cluster gets one actor, which holds a worker and a pool of warm builds in a folder of its own. The
head finds revisions, ships trees, chooses the actor, and alone writes the books. Invariants: a revision's requests go
where its warm build is, then to one other actor, and nowhere else cold; what an actor was judging when it or its node
died is judged again elsewhere, what it had answered never is; an actor whose tools differ from the head's judges
nothing. Ray places and connects, it does not isolate: the sandbox stays in the worker.

Only the command line imports what imports Ray, and only when asked for a cluster.
"""
