"""A fair queue: the clients take turns, each with its requests in the order in which they came."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class FairQueue(Generic[T]):
    """Not locked; the engine does that.

    >>> queue = FairQueue()
    >>> for client, item in [("a", 1), ("a", 2), ("b", 3)]: queue.push(client, item)
    >>> queue.pop(), queue.pop(), queue.pop()
    (1, 3, 2)
    """

    def __init__(self) -> None:
        self._clients: OrderedDict[str, deque[T]] = OrderedDict()

    def __len__(self) -> int:
        return sum(map(len, self._clients.values()))

    def __iter__(self) -> Iterator[T]:
        return (item for items in self._clients.values() for item in items)

    def push(self, client: str, item: T) -> None:
        self._clients.setdefault(client, deque()).append(item)

    def put_back(self, client: str, item: T) -> None:
        """Undoes a `pop`."""
        self._clients.setdefault(client, deque()).appendleft(item)
        self._clients.move_to_end(client, last=False)

    def first(self) -> T:
        """The item whose turn it is. The queue must not be empty."""
        return next(iter(self._clients.values()))[0]

    def pop(self) -> T:
        """Takes that item out; its client goes to the end."""
        client, items = next(iter(self._clients.items()))
        item = items.popleft()
        if items:
            self._clients.move_to_end(client)
        else:
            del self._clients[client]
        return item

    def remove_if(self, unwanted: Callable[[T], bool]) -> list[T]:
        removed = []
        for client, items in list(self._clients.items()):
            removed += [item for item in items if unwanted(item)]
            kept = deque(item for item in items if not unwanted(item))
            if kept:
                self._clients[client] = kept
            else:
                del self._clients[client]
        return removed
