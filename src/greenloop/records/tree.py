"""A tree: everything that a workspace holds at a moment, named by its content.

A tree *is* its git tree object id, whatever version control the team uses; the bytes live in
``workspace.store``. Two workspaces with the same files have the same tree.
"""

from typing import Annotated

from pydantic import StringConstraints

ObjectId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{40}$")]
TreeId = ObjectId
"""Id of a git tree object: 40 hexadecimal digits."""
BlobId = ObjectId
"""Id of a git blob object: 40 hexadecimal digits."""
