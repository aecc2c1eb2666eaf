"""A bounded queue that serves those who wait in turn, however much each of them brings."""

from collections import OrderedDict, deque
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Lanes(Generic[Item]):
    """First in, first out within a lane; lane after lane between them. Not for several threads."""

    def __init__(self) -> None:
        self._lanes: OrderedDict[str, deque[Item]] = OrderedDict()
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def push(self, lane: str, item: Item) -> None:
        """Put ``item`` at the end of its lane."""
        self._lanes.setdefault(lane, deque()).append(item)
        self._length += 1

    def pop(self) -> Item:
        """Take the first item of the lane whose turn it is. Raises ``KeyError`` when there is none."""
        lane, items = self._lanes.popitem(last=False)
        item = items.popleft()
        self._length -= 1
        if items:
            self._lanes[lane] = items
        return item

    def remove(self, lane: str, item: Item) -> None:
        """Take ``item`` out of its lane. Raises ``ValueError`` when it is not there."""
        items = self._lanes.get(lane, deque())
        items.remove(item)
        self._length -= 1
        if not items:
            del self._lanes[lane]
