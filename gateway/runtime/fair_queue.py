"""A bounded queue that is fair to those who fill it: each is served in turn, and none can fill it alone.

Who sends ten times what can be done waits behind his own, not before others (rule 7).
"""

from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")

GREED = 9
"""How many times what is still free one owner may have waiting: alone he gets to nine tenths of the whole, the next to
nine tenths of what is left.
"""


class FairQueue(Generic[T]):
    """Items of several owners, each of some size, up to `limit` in all; oldest first for each owner.

    One that is larger by itself waits alone: refused whenever it comes, it would be refused for ever.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.size = 0
        self._waiting: dict[str, deque[tuple[int, T]]] = {}
        self._held: dict[str, int] = {}
        self._turns: deque[str] = deque()

    def __len__(self) -> int:
        """How many items wait."""
        return sum(map(len, self._waiting.values()))

    def __bool__(self) -> bool:
        return bool(self._turns)

    def held(self, owner: str) -> int:
        """The size of what this owner has waiting."""
        return self._held.get(owner, 0)

    def has_room(self, owner: str, size: int) -> bool:
        """Whether an item of this size may be put."""
        if not self.size:
            return True
        free = self.limit - self.size
        return size <= free and self.held(owner) + size <= GREED * free

    def put(self, owner: str, size: int, item: T) -> None:
        """Behind everything of the same owner. The caller has asked whether there is room."""
        if owner not in self._waiting:
            self._waiting[owner] = deque()
            self._turns.append(owner)
        self._waiting[owner].append((size, item))
        self._held[owner] = self.held(owner) + size
        self.size += size

    def put_back(self, owner: str, size: int, item: T) -> None:
        """Before everything of the same owner, whose turn comes after that of the others: the rest of an item that was
        taken, and counted before.
        """
        if owner in self._waiting:
            self._waiting[owner].appendleft((size, item))
            self._held[owner] += size
            self.size += size
        else:
            self.put(owner, size, item)

    def take(self) -> T:
        """The oldest item of the owner whose turn it is.

        Raises:
            IndexError: nothing waits.
        """
        owner = self._turns.popleft()
        size, item = self._waiting[owner].popleft()
        self.size -= size
        self._held[owner] -= size
        if self._waiting[owner]:
            self._turns.append(owner)
        else:
            del self._waiting[owner], self._held[owner]
        return item
