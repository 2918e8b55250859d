"""Who of those that wait goes first."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Reversible
from heapq import heappop, heappush
from typing import Protocol


class Waiting(Protocol):
    """Requests that wait. What was preempted goes before everybody else of its rank."""

    def push(self, request: int) -> None:
        """A request comes."""

    def push_back(self, request: int) -> None:
        """A request that was served already comes back."""

    def head(self) -> int:
        """Who is next."""

    def pop(self) -> int:
        """Take who is next."""

    def last(self, seated: Reversible[int]) -> int:
        """Who of those that have a place, in the order in which they got it, would have to give it up first."""

    def __len__(self) -> int: ...


class FirstCome:
    """In the order of arrival."""

    def __init__(self) -> None:
        self._line: deque[int] = deque()
        self.push = self._line.append
        self.push_back = self._line.appendleft
        self.pop = self._line.popleft

    def head(self) -> int:
        """The oldest."""
        return self._line[0]

    def last(self, seated: Reversible[int]) -> int:
        """Who was seated last."""
        return next(reversed(seated))

    def __len__(self) -> int:
        return len(self._line)


class Ranked:
    """By a rank, the least first; of equals the one that came first."""

    def __init__(self, rank: Callable[[int], float]) -> None:
        self._rank = rank
        self._heap: list[tuple[float, int, int]] = []

    def push(self, request: int) -> None:
        """Requests are numbered in the order of arrival."""
        heappush(self._heap, (self._rank(request), 1, request))

    def push_back(self, request: int) -> None:
        """Before its equals."""
        heappush(self._heap, (self._rank(request), 0, request))

    def head(self) -> int:
        """The least rank."""
        return self._heap[0][2]

    def pop(self) -> int:
        """The least rank."""
        return heappop(self._heap)[2]

    def last(self, seated: Reversible[int]) -> int:
        """The largest rank; of equals the one that came last."""
        return max(seated, key=lambda request: (self._rank(request), request))

    def __len__(self) -> int:
        return len(self._heap)
