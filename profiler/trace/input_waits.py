"""When the host waited for its input: the next batch of a data loader."""

from __future__ import annotations

import numpy as np

from profiler.trace.timeline import Ints, Timeline

# torch.utils.data names the range so, around `next` of a loader's iterator (torch/utils/data/dataloader.py).
_LOADER_PREFIX = "enumerate(DataLoader)#"


class InputWaits:
    """The spans in which the host threads of a timeline asked a data loader for its next batch."""

    def __init__(self, step: Timeline) -> None:
        ranges = step.ranges
        self._spans = [
            (int(ranges.start_ns[row]), int(ranges.end_ns[row]), int(ranges.thread[row]))
            for row in range(len(ranges))
            if step.name_of(ranges.name, row).startswith(_LOADER_PREFIX)
        ]

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
