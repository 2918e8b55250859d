"""Host memory that this process may still take: what the machine has free, and what its container allows.

A container's limit is no property of the machine: 8 GiB in a container on a host of 1 TiB look like 1 TiB to whoever
asks the kernel for free memory, and the process is killed at the limit.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import psutil

# The limit and what is in use, in version 2 and in version 1.
_FILES = (("memory.max", "memory.current"), ("memory.limit_in_bytes", "memory.usage_in_bytes"))
# What a group keeps of files that were read once counts as used and is given up on demand; kubelet's working set, too,
# is the usage less this.
_RECLAIMABLE = ("total_inactive_file", "inactive_file")


@dataclass(frozen=True, slots=True)
class HostMemory:
    """`free_bytes` can be had now; `limit_bytes` is the limit that leaves so little, None where the machine does."""

    free_bytes: int
    limit_bytes: int | None


def host_memory(
    machine_bytes: int | None = None, groups: Path = Path("/proc/self/cgroup"), mounted: Path = Path("/sys/fs/cgroup")
) -> HostMemory:
    """Free host memory under the memory limits of all control groups above this process, version 1 or 2.

    `machine_bytes` is what the machine has free, asked of the kernel by default.
    """
    free_bytes = int(psutil.virtual_memory().available) if machine_bytes is None else machine_bytes
    limit_bytes = None
    for folder in _folders(groups, mounted):
        for limit_file, used_file in _FILES:
            limit, used = _number(folder / limit_file), _number(folder / used_file)
            if limit is None or used is None:
                continue
            left = max(limit - used + _reclaimable(folder / "memory.stat"), 0)
            if left < free_bytes:
                free_bytes, limit_bytes = left, limit
    return HostMemory(free_bytes, limit_bytes)


def _folders(groups: Path, mounted: Path) -> Iterator[Path]:
    """The folders of the groups that count this process's memory, from its own up to the root of what is mounted."""
    try:
        lines = groups.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    for line in lines:
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if controllers and "memory" not in controllers.split(","):
            continue
        root = mounted / "memory" if controllers else mounted
        group = PurePosixPath(path.lstrip("/"))
        for inner in (group, *group.parents):
            yield root / inner


def _number(path: Path) -> int | None:
    """The number in a file; None where there is none ("max"), or no such file."""
    try:
        return int(path.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None


def _reclaimable(stat: Path) -> int:
    try:
        rows = dict(line.split(maxsplit=1) for line in stat.read_text(encoding="ascii").splitlines())
        return next((int(rows[name]) for name in _RECLAIMABLE if name in rows), 0)
    except (OSError, ValueError):
        return 0
