"""GPM: counters over a window between two marks."""

from __future__ import annotations

import ctypes

import pynvml
import pytest

from profiler.device.driver import Driver, QueryRefused
from profiler.device.gpm import METRICS, GpmReading, GpmSampler
from profiler.device.gpu import Gpu
from tests.fakes import H100_UUID, FakeDriverLibrary, FakeGpu


def gpu_of(library: FakeDriverLibrary) -> Gpu:
    return Gpu(Driver.open(library), H100_UUID)


def test_every_metric_is_read_over_the_window_between_the_last_two_marks():
    library = FakeDriverLibrary()
    with GpmSampler(gpu_of(library)) as sampler:
        for _ in range(3):
            sampler.mark()
        readings = sampler.read()
    assert tuple(readings) == METRICS
    assert readings["DRAM_BW_UTIL"] == GpmReading(62.5)
    marked = [arguments[1] for name, arguments in library.calls if name == "nvmlGpmSampleGet"]
    (request,) = next(arguments for name, arguments in library.calls if name == "nvmlGpmMetricsGet")
    assert address(request.sample1) == address(marked[1])
    assert address(request.sample2) == address(marked[2])


def test_a_metric_that_fails_on_its_own_leaves_the_others():
    metric = pynvml.NVML_GPM_METRIC_ANY_TENSOR_UTIL
    library = FakeDriverLibrary(FakeGpu(gpm_returns={metric: pynvml.NVML_ERROR_NOT_SUPPORTED}))
    with GpmSampler(gpu_of(library)) as sampler:
        sampler.mark()
        sampler.mark()
        readings = sampler.read()
    assert readings["ANY_TENSOR_UTIL"] == GpmReading(None, "Not Supported")
    assert readings["SM_UTIL"].value == 78.1


def test_a_metric_that_the_library_does_not_know_leaves_the_others():
    with GpmSampler(gpu_of(FakeDriverLibrary()), ["SM_UTIL", "METRIC_OF_TOMORROW", "DRAM_BW_UTIL"]) as sampler:
        sampler.mark()
        sampler.mark()
        readings = sampler.read()
    assert readings["METRIC_OF_TOMORROW"].value is None
    assert "nvidia-ml-py" in readings["METRIC_OF_TOMORROW"].missing
    assert (readings["SM_UTIL"].value, readings["DRAM_BW_UTIL"].value) == (78.1, 62.5)


def test_a_gpu_without_gpm_is_asked_by_support_and_not_by_name():
    library = FakeDriverLibrary(FakeGpu(gpm_supported=False))
    with pytest.raises(QueryRefused, match="no GPM"):
        GpmSampler(gpu_of(library))
    assert library.count("nvmlGpmSampleAlloc") == 0


def test_samples_are_freed_also_when_the_second_one_is_refused():
    library = FakeDriverLibrary()
    library.refuse("nvmlGpmSampleAlloc", pynvml.NVML_ERROR_MEMORY, after=1)
    with pytest.raises(QueryRefused):
        GpmSampler(gpu_of(library))
    assert library.open_gpm_samples == set()


def test_after_a_refused_mark_the_next_window_begins_at_the_last_good_one():
    library = FakeDriverLibrary()
    with GpmSampler(gpu_of(library)) as sampler:
        sampler.mark()
        sampler.mark()
        library.refuse("nvmlGpmSampleGet", pynvml.NVML_ERROR_TIMEOUT)
        with pytest.raises(QueryRefused):
            sampler.mark()
        with pytest.raises(ValueError, match="two marks"):
            sampler.read()


def test_a_lost_gpu_does_not_keep_the_sampler_from_closing():
    library = FakeDriverLibrary()
    with GpmSampler(gpu_of(library)) as sampler:
        sampler.mark()
        library.refuse_everything()
        with pytest.raises(QueryRefused, match="GPU is lost"):
            sampler.mark()


def address(sample) -> int:
    return ctypes.cast(sample, ctypes.c_void_p).value
