"""When the host waited for its input: the next batch of a data loader."""

from __future__ import annotations

import numpy as np

from profiler.trace import intervals
from profiler.trace.timeline import Ints, Timeline

# torch.utils.data names the range so, around `next` of a loader's iterator (torch/utils/data/dataloader.py).
LOADER_PREFIX = "enumerate(DataLoader)#"


class InputWaits:
    """The spans in which the host threads of a timeline asked a data loader for its next batch."""

    def __init__(self, step: Timeline) -> None:
        ranges = step.ranges
        loading = [name for name, text in enumerate(step.names) if text.startswith(LOADER_PREFIX)]
        rows = np.flatnonzero(np.isin(ranges.name, loading)) if loading else np.empty(0, np.int64)
        columns = (ranges.start_ns[rows].tolist(), ranges.end_ns[rows].tolist(), ranges.thread[rows].tolist())
        self._spans: list[tuple[int, int, int]] = list(zip(*columns, strict=True))

    def spans_ns(self, thread: int) -> Ints:
        """Those of one thread, shape (n, 2)."""
        mine = [(start, end) for start, end, owner in self._spans if owner == thread]
        return np.array(mine, np.int64).reshape(len(mine), 2)

    def within_us(self, begin_ns: int, end_ns: int, thread: int | None = None) -> float:
        """Microseconds of them between two times; of one thread or, where None, of any."""
        inside = (
            min(end, end_ns) - max(start, begin_ns)
            for start, end, owner in self._spans
            if thread is None or owner == thread
        )
        return sum(max(span, 0) for span in inside) / 1e3

    def within_ns(self, begin_ns: Ints, end_ns: Ints, thread: int) -> Ints:
        """Nanoseconds of one thread's spans in each of many stretches, shape (n,)."""
        merged = intervals.merge(self.spans_ns(thread))
        return intervals.covered_before(merged, end_ns) - intervals.covered_before(merged, begin_ns)
