"""Gives the kernels of a CUDA graph replay the operations of the same step launched op by op.

A replay records kernels without operations. Its body, traced once op by op, launches the same kernels in the same
order on each stream, but for a few that differ from run to run. Rows are matched along a longest common subsequence
of (kind, name, grid); what does not fit stays unmatched. Of copies and memsets within the device the kind is enough, as
a replay does them with kernels of other names.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence

import numpy as np

from profiler.attribute.kernel_work import KernelWork, concatenated, taken
from profiler.trace.timeline import Activity, Ints, Timeline

_RENAMED = (Activity.D2D, Activity.MEMSET)  # in a replay


def match_body(replay: Timeline, body: Timeline) -> Ints:
    """For each device row of `replay` the matching device row of `body`, or -1; shape (len(replay.device),).

    Both are one step. Matched rows have the same kind, and but for copies and memsets the same name and grid; no body
    row is used twice.
    """
    matches = np.full(len(replay.device), -1, np.int64)
    for ours, theirs in _paired_streams(replay, body):
        for left, right in common_subsequence(_tokens(replay, ours), _tokens(body, theirs)):
            matches[ours[left]] = theirs[right]
    return matches


def transfer(own: KernelWork, body: KernelWork, matches: Ints) -> KernelWork:
    """The work of a replay's rows: of the body's row where there is one and the replay itself knows no
    operation or no work.

    A replay within a compiled function has an operation, the function, which says nothing of its kernels.
    """
    rows = np.arange(len(own))
    anonymous = np.array([operation is None for operation in own.operation], np.bool_)
    from_body = (matches >= 0) & (anonymous | np.isnan(own.bytes))
    return taken(concatenated(own, body), np.where(from_body, len(own) + matches, rows))


def common_subsequence(left: Sequence[Hashable], right: Sequence[Hashable]) -> list[tuple[int, int]]:
    """Pairs of positions of a longest common subsequence, ascending in both."""
    shared = set(left) & set(right)
    ours = [position for position, token in enumerate(left) if token in shared]
    theirs = [position for position, token in enumerate(right) if token in shared]
    pairs = _aligned([left[position] for position in ours], [right[position] for position in theirs])
    return [(ours[x], theirs[y]) for x, y in pairs]


def _paired_streams(replay: Timeline, body: Timeline) -> Iterator[tuple[Ints, Ints]]:
    """Rows of streams that belong together: by how much runs on them, as a replay numbers its streams anew.

    If one has more streams than the other, all rows are one sequence in the order of time.
    """
    ours, theirs = _streams(replay), _streams(body)
    if len(ours) == len(theirs):
        yield from zip(ours, theirs, strict=True)
    else:
        yield np.arange(len(replay.device)), np.arange(len(body.device))


def _streams(timeline: Timeline) -> list[Ints]:
    """Device rows by device and stream, the fullest stream first, the earlier first among equals."""
    device = timeline.device
    keys = list(zip(device.device.tolist(), device.stream.tolist(), strict=True))
    rows: dict[tuple[int, int], list[int]] = {}
    for row, key in enumerate(keys):
        rows.setdefault(key, []).append(row)
    return [np.array(found, np.int64) for found in sorted(rows.values(), key=lambda found: (-len(found), found[0]))]


def _tokens(timeline: Timeline, rows: Ints) -> list[Hashable]:
    device = timeline.device
    names = [timeline.names[name] for name in device.name[rows].tolist()]
    grids = map(tuple, device.grid[rows].tolist())
    return [
        kind if kind in _RENAMED else (kind, name, grid)
        for kind, name, grid in zip(device.kind[rows].tolist(), names, grids, strict=True)
    ]


def _aligned(left: Sequence[Hashable], right: Sequence[Hashable]) -> list[tuple[int, int]]:
    """Fast where little differs: E. Myers, "An O(ND) Difference Algorithm and Its Variations", Algorithmica 1 (1986).

    `reached[k]` is how far into `left` one can come on diagonal k (position in `left` less that in `right`) with as
    many differences as there were rounds.
    """
    reached = {1: 0}
    rounds: list[dict[int, int]] = []
    for differences in range(len(left) + len(right) + 1):
        rounds.append(reached)
        current: dict[int, int] = {}
        for diagonal in range(-differences, differences + 1, 2):
            x = _entered(reached, diagonal)[0]
            while x < len(left) and x - diagonal < len(right) and left[x] == right[x - diagonal]:
                x += 1
            current[diagonal] = x
            if x >= len(left) and x - diagonal >= len(right):
                return _traced_back(rounds, len(left), len(right))
        reached = current
    raise AssertionError("everything can be left out, so the last round always ends")


def _entered(reached: dict[int, int], diagonal: int) -> tuple[int, int]:
    """The furthest position on a diagonal after one more difference, and the diagonal one comes from."""
    from_above = reached.get(diagonal + 1, -1)
    from_left = reached.get(diagonal - 1, -2) + 1
    return (from_above, diagonal + 1) if from_above >= from_left else (from_left, diagonal - 1)


def _traced_back(rounds: list[dict[int, int]], x: int, y: int) -> list[tuple[int, int]]:
    pairs: list[tuple[int, int]] = []
    for reached in reversed(rounds):
        entry, previous = _entered(reached, x - y)
        while x > entry:
            x, y = x - 1, y - 1
            pairs.append((x, y))
        x = reached[previous]
        y = x - previous
    return pairs[::-1]
