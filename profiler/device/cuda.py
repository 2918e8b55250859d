"""A CUDA GPU."""

from __future__ import annotations

import torch

from profiler.device.base import DeviceProperties


class CudaDevice:
    """The GPU that torch calls `cuda:index`."""

    def __init__(self, index: int, driver_version: str | None = None) -> None:
        """`driver_version` as NVML gives it; torch does not know it."""
        self._index = index
        found = torch.cuda.get_device_properties(index)
        self._properties = DeviceProperties(
            name=found.name,
            kind="cuda",
            uuid=str(found.uuid),
            driver=driver_version,
            cuda=torch.version.cuda,
            memory_bytes=found.total_memory,
            sm_count=found.multi_processor_count,
            l2_bytes=found.L2_cache_size,
            max_threads_per_sm=found.max_threads_per_multi_processor,
            compute_capability=(found.major, found.minor),
            registers_per_sm=getattr(found, "regs_per_multiprocessor", None),  # torch's stubs lack it
            shared_bytes_per_sm=found.shared_memory_per_multiprocessor,
        )

    @property
    def properties(self) -> DeviceProperties:
        """What it is."""
        return self._properties

    @property
    def torch_device(self) -> str:
        """`cuda:index`."""
        return f"cuda:{self._index}"

    def synchronize(self) -> None:
        """Wait until all work on all streams of the GPU is done."""
        torch.cuda.synchronize(self._index)

    def stopwatch(self) -> CudaStopwatch:
        """A pair of CUDA events on the current stream."""
        return CudaStopwatch(self._index)

    def free_bytes(self) -> int:
        """Free device memory as the driver sees it: blocks that torch has cached are not free."""
        return int(torch.cuda.mem_get_info(self._index)[0])

    def empty_cache(self) -> None:
        """Hand the blocks that torch has cached back to the driver."""
        with torch.cuda.device(self._index):
            torch.cuda.empty_cache()


class CudaStopwatch:
    """Times a span on the stream that is current at `start`, with half a microsecond of resolution."""

    def __init__(self, index: int) -> None:
        self._index = index
        self._begin = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        self._end = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]

    def start(self) -> None:
        """Queue the first event."""
        self._begin.record(torch.cuda.current_stream(self._index))

    def stop(self) -> None:
        """Queue the second event."""
        self._end.record(torch.cuda.current_stream(self._index))

    def elapsed_ms(self) -> float:
        """Milliseconds between the events; both must have been reached."""
        return float(self._begin.elapsed_time(self._end))
