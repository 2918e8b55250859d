"""What tries the ways of sampling, as far as it needs no GPU."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import counter_ways
from benchmarks._one_way import Decoding, Watched
from benchmarks.counter_ways import main, seen, try_way
from profiler.device.cupti_home import VARIABLE
from profiler.device.select import select_device
from profiler.measure.counters.cupti import CuptiSamplers
from profiler.measure.counters.source import Counter, CounterGroup, CounterRecording
from profiler.measure.counters.ways import WAYS
from tests.unit.measure.cupti_stand_in import ALL_WORK, COARSE_NS, WISHED_NS, Cupti
from tests.unit.measure.stand_ins import FakeClock

UNITS = CounterGroup.UNITS
# torch says so wherever it has no GPU to trace; on a machine that has one there is nothing to say.
pytestmark = pytest.mark.filterwarnings("ignore:CUDA is not available")


def test_every_decoding_is_accounted_for() -> None:
    clock = FakeClock()
    watched = Watched(Cupti(ALL_WORK, clock))
    samplers = CuptiSamplers(
        lambda seconds: clock.advance_ms(seconds * 1e3), watched, clock, ways={UNITS: WAYS[UNITS][:1]}
    )
    sampler = samplers(UNITS, WISHED_NS)
    sampler.start()
    clock.advance_ms(100)
    sampler.stop(lambda data: [[0.0] * 6] * len(data))
    (decoding,) = watched.decodings
    assert (decoding.samples, decoding.timeless) == (100_000_000 // COARSE_NS, 0)
    assert decoding.room > decoding.samples


def test_copies_and_products_are_told_apart_by_what_they_write(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counter_ways, "_COPIES", 3)
    monkeypatch.setattr(counter_ways, "_COPY_BYTES", 20.0)
    written = [0.0, 5.0, 10.0, 10.0, 10.0, 10.0, 10.0, 5.0, *[1.0] * 10]
    tensor = [0.0] * 8 + [0.9] * 10
    recording = CounterRecording(
        start_ns=[*range(18)],
        end_ns=[*range(1, 19)],
        values={Counter.DRAM_WRITE: written, Counter.TENSOR_ACTIVE: tensor},
    )
    assert seen(recording) == (0.0, 0.0, 0.9)


def test_a_way_that_cannot_be_tried_says_why(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(counter_ways, "_COPY_BYTES", 1 << 10)
    monkeypatch.setattr(counter_ways, "_WIDTH", 8)
    monkeypatch.setenv(VARIABLE, str(tmp_path))  # where no cupti-python is
    result = try_way(select_device("cpu"), UNITS, 0, tmp_path)
    assert result.failure is not None
    assert result.failure.startswith("cupti-python is not in")
    assert "TriageCompute every 50 us" in str(result)


def test_decodings_that_filled_their_image_are_said() -> None:
    decodings = (Decoding(100, 100, 40, 0.01), Decoding(100, 60, 0, 0.006))
    line = str(counter_ways.WayResult("units", "a way", samples=160, sample_us=50.0, decodings=decodings))
    assert "2 decodings of 100 us a sample (1 full), 40 without times" in line


def test_without_a_gpu_every_phase_says_why_and_nothing_holds(tmp_path: Path) -> None:
    assert main(["--device", "cpu", "--small", "--out", str(tmp_path)]) == 1
    written = json.loads((tmp_path / "counter_ways.json").read_text())
    assert {phase["failure"] for phase in written["phases"]} == {"a CPU has no counters that are read here"}
    assert [phase["phase"] for phase in written["phases"]] == ["eager prefill"] * 2 + ["captured decode"] * 2
