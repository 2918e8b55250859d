"""Ceilings kept between runs: one JSON file for each device, driver and torch."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Protocol

import msgspec

from profiler.device.base import Device, DeviceProperties
from profiler.device.ceilings import is_whole, measure_ceilings, unsteady
from profiler.device.gpu import Gpu
from profiler.device.other_processes import BUSY_ELSEWHERE_CORES, others_from_now_on
from profiler.errors import BottleneckError
from profiler.progress import Progress
from profiler.report.ceilings import Ceiling, Ceilings
from profiler.report.json_text import json_text
from profiler.report.records import ReportWarning
from profiler.report.store import write_atomically

VERSION = 2  # of what is measured and how: raise it, and every cached file is measured anew


class CachedCeilings(msgspec.Struct, frozen=True, kw_only=True):
    """A cache file: the ceilings and what they hold for."""

    version: int
    uuid: str
    driver: str | None
    torch: str
    ceilings: Ceilings


class Measure(Protocol):
    """`measure_ceilings`, or a stand-in."""

    def __call__(
        self, device: Device, *, now: Callable[[], datetime], gpu: Gpu | None, progress: Progress | None
    ) -> Ceilings:
        """Measure every ceiling of a device."""


def load_or_measure(
    device: Device,
    *,
    now: Callable[[], datetime],
    gpu: Gpu | None = None,
    remeasure: bool = False,
    progress: Progress | None = None,
    warn: Callable[[ReportWarning], None] = lambda warning: None,
    folder: Path | None = None,
    torch_version: str | None = None,
    measure: Measure = measure_ceilings,
    watch_others: Callable[[], Callable[[], float]] = others_from_now_on,
) -> Ceilings:
    """The ceilings of a device, from the cache if they are in it, else measured and cached.

    A corrupt or foreign cache file is measured anew; one that cannot be written costs a warning, never the run.
    A measurement with a hole, say for want of memory, is not kept; nor is one whose repeats differ as on a busy
    machine, or a CPU's beside other processes, which are warned of. `watch_others` begins to count how many cores these
    keep busy.
    """
    folder = folder or cache_folder()
    torch_version = torch_version or torch_version_of(device.properties)
    path = folder / file_name(device.properties, torch_version)
    if not remeasure:
        found = read_cache(path, device.properties, torch_version)
        if found is not None:
            return msgspec.structs.replace(found, from_cache=True)
    others_cores = watch_others() if device.properties.kind == "cpu" else lambda: 0.0
    ceilings = measure(device, now=now, gpu=gpu, progress=progress)
    doubtful = [_unsteady_warning(ceiling) for ceiling in unsteady(ceilings)]
    if (cores := others_cores()) > BUSY_ELSEWHERE_CORES:
        doubtful.append(_shared_warning(cores))
    for warning in doubtful:
        warn(warning)
    if is_whole(ceilings, device.properties) and not doubtful:
        try:
            _write_cache(path, device.properties, torch_version, ceilings)
        except (OSError, BottleneckError) as error:
            cause = error if isinstance(error, OSError) else error.__cause__
            reason = getattr(cause, "strerror", None) or str(error)
            warn(
                ReportWarning(
                    code="ceilings_not_cached",
                    message=f"the measured ceilings could not be kept, so the next run measures them again: {reason}",
                )
            )
    return ceilings


def cache_folder() -> Path:
    """`$XDG_CACHE_HOME/bottleneck/ceilings`, by default under ~/.cache."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    # the XDG specification: a relative path is to be ignored
    root = Path(base) if base.startswith("/") else Path(os.path.expanduser("~")) / ".cache"  # noqa: PTH111 - Path.home() raises without a home
    return root / "bottleneck" / "ceilings"


def file_name(properties: DeviceProperties, torch_version: str) -> str:
    """The name of a device's cache file."""
    key = "_".join((properties.uuid, properties.driver or "no-driver", f"torch-{torch_version}"))
    return re.sub(r"[^A-Za-z0-9._+-]", "-", key) + ".json"


def torch_version_of(properties: DeviceProperties) -> str:
    """Torch's version; on a CPU with its threads, since OMP_NUM_THREADS moves every ceiling there."""
    import torch

    threads = f"-{torch.get_num_threads()}-threads" if properties.kind == "cpu" else ""
    return f"{torch.__version__}{threads}"


def read_cache(path: Path, properties: DeviceProperties, torch_version: str) -> Ceilings | None:
    """The ceilings in a cache file, None where it is absent, unreadable, unsteady, or of something else."""
    try:
        cached = msgspec.json.decode(path.read_bytes(), type=CachedCeilings)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None
    key = (cached.version, cached.uuid, cached.driver, cached.torch)
    if key != (VERSION, properties.uuid, properties.driver, torch_version):
        return None
    good = is_whole(cached.ceilings, properties) and not unsteady(cached.ceilings)
    return cached.ceilings if good else None


def _unsteady_warning(ceiling: Ceiling) -> ReportWarning:
    return ReportWarning(
        code="ceiling_unsteady",
        message=f"the repeats of the {ceiling.name} ceiling went from {ceiling.low:.3g} to {ceiling.high:.3g} "
        f"{ceiling.unit}, as beside other work: shares and ideal times rest on it, and it is not kept for later runs; "
        "stop other programs, then `bottleneck calibrate`",
    )


def _shared_warning(cores: float) -> ReportWarning:
    return ReportWarning(
        code="ceilings_shared",
        message=f"other processes kept {cores:.1f} CPU cores busy while the ceilings were measured: they may be too "
        "low, and are not kept for later runs; stop what else runs here, then `bottleneck calibrate`",
    )


def _write_cache(path: Path, properties: DeviceProperties, torch_version: str, ceilings: Ceilings) -> None:
    cached = CachedCeilings(
        version=VERSION, uuid=properties.uuid, driver=properties.driver, torch=torch_version, ceilings=ceilings
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, json_text(cached))
